// Package link is what the host and the process of go-plugin share.
package link

import (
	"net/rpc"

	"github.com/hashicorp/go-plugin"
)

// Judge judges a batch.
type Judge interface {
	Judge(batch []byte) ([]byte, error)
}

// Name is the plug-in's.
const Name = "rule"

// Handshake must be the same on both sides.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "TIDEGATE_BENCH", MagicCookieValue: "rule"}
}

// Plugins is the set with the rule; judge is nil in the host.
func Plugins(judge Judge) plugin.PluginSet { return plugin.PluginSet{Name: &remote{judge}} }

type remote struct{ judge Judge }

// Server implements plugin.Plugin.
func (r *remote) Server(*plugin.MuxBroker) (any, error) { return &Server{r.judge}, nil }

// Client implements plugin.Plugin.
func (r *remote) Client(_ *plugin.MuxBroker, c *rpc.Client) (any, error) { return client{c}, nil }

// Server answers in the process.
type Server struct{ judge Judge }

// Judge is the remote call.
func (s *Server) Judge(batch []byte, answer *[]byte) (err error) {
	*answer, err = s.judge.Judge(batch)
	return err
}

type client struct{ c *rpc.Client }

// Judge implements the interface in the host.
func (c client) Judge(batch []byte) (answer []byte, err error) {
	err = c.c.Call("Plugin.Judge", batch, &answer)
	return answer, err
}
