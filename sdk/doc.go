// Package sdk is what the author of a plug-in imports, and all that he needs: a rule that judges rows before they are committed ([Validator]), a policy
// that says what becomes of stored rows ([Retainer]), a sink that passes alerts on ([Sink]).
//
// The same source builds to a WebAssembly module, which the engine runs within limits, and runs in a plain go test (package sdktest), without an engine
// and without a database. A whole rule:
//
//	package main
//
//	import "github.com/tidegate/engine/sdk"
//
//	type limit struct {
//		qty  int
//		most int64
//	}
//
//	func (l *limit) Configure(c *sdk.Config) error {
//		l.qty, l.most = c.Require(c.Hook(0), "qty"), c.Int("max_qty", 1000)
//		return nil
//	}
//
//	func (l *limit) Validate(b *sdk.Batch, v *sdk.Verdicts) error {
//		for row := range b.Len() {
//			if qty, ok := b.Int(row, l.qty); !ok || qty > l.most {
//				v.Reject(row, l.qty, 1, "qty is over the limit, or no integer")
//			}
//		}
//		return nil
//	}
//
//	var _ = sdk.Export(&limit{})
//
//	func main() {}
//
// It is built with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o limit.wasm .
//
// main is never called: the module is a library, and Export names the value that serves its hooks. An engine keeps several copies of a module and asks each of
// them from one goroutine at a time, so a plug-in needs no locks; what it remembers between calls, though, is remembered by that copy alone, and
// a fault takes it back to what it was after Configure.
//
// # Time and memory
//
// A call burns fuel for all that it does, and a batch has up to thousands of rows: allocate in Configure and not for a row. Cells point into the batch and are valid during
// the call; copy what is to be kept. The packages fmt and encoding/json work, but make a module larger than all the rest together: [Message] and
// [Config] do without.
//
// # What may be asked of the engine
//
// Methods of [Batch] such as Lookup, Log and Post are imports of the module, and the manifest must grant each that is used; one that is not called is not
// imported. A copy knows no file, no network, no environment; its clock is the instant of the batch and its random numbers are the same in each call, so
// that a decision can be reproduced.
package sdk
