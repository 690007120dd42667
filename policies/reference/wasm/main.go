// Command wasm is the policy as a module: GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared.
package main

import (
	"github.com/tidegate/engine/policies/reference"
	"github.com/tidegate/engine/sdk"
)

var _ = sdk.Export(reference.New())

func main() {}
