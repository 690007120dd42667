// Command wasm is the policy as a module: GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared.
package main

import (
	"github.com/tidegate/engine/policies/dailylimits"
	"github.com/tidegate/engine/sdk"
)

var _ = sdk.Export(dailylimits.New())

func main() {}
