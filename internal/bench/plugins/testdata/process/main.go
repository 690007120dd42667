// Command process is the rule as a process of its own, behind hashicorp/go-plugin.
package main

import (
	"github.com/hashicorp/go-plugin"

	"github.com/tidegate/engine/internal/bench/plugins/link"
	"github.com/tidegate/engine/internal/bench/plugins/rule"
	"github.com/tidegate/engine/sdk/abi"
)

type judge struct{ block abi.Block }

// Judge implements link.Judge.
func (j *judge) Judge(batch []byte) ([]byte, error) { return rule.Judge(batch, &j.block), nil }

func main() {
	plugin.Serve(&plugin.ServeConfig{HandshakeConfig: link.Handshake(), Plugins: link.Plugins(&judge{})})
}
