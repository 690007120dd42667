// Package sdktest tests a plug-in in a plain go test: without an engine, a database or a module. Rows go through the bytes of the ABI as they do in service, so
// that what holds here holds there.
//
//	func TestLimit(t *testing.T) {
//		h := sdktest.New(t, &limit{}, sdktest.Setup{
//			Config: `{"max_qty": 100}`,
//			Hooks:  []sdk.Hook{{Table: "orders", Columns: []string{"id", "qty"}}},
//		})
//		h.Insert(sdktest.Row{1, 100}).Accepts()
//		h.Insert(sdktest.Row{1, 100}, sdktest.Row{2, 101}).Rejects(1, 1, "over the limit")
//	}
//
// The same calls run against a module in the real host when the harness was made by [With]; package plugins/plugintest does that.
package sdktest
