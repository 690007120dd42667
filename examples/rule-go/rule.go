// Command rule-go is a rule in Go: it rejects trades whose quantity is no multiple of the lot of their symbol, and warns of round numbers of lots that look like a typing error.
package main

import "github.com/tidegate/engine/sdk"

// Codes of verdicts.
const (
	codeLot    = 1
	codeSymbol = 2
	codeLarge  = 3
	codeType   = 4
)

// lotSize is the rule. An engine has several copies of it and asks each from one goroutine at a time, so it needs no locks.
type lotSize struct {
	symbol, qty int // where batches have these columns
	lots        map[string]int64
	large       int64 // so many lots are worth a remark
	message     sdk.Message
}

// Configure implements sdk.Configurer. Whatever is wrong is told at once, and the rule does not go into service.
func (l *lotSize) Configure(c *sdk.Config) error {
	l.symbol, l.qty = c.Require(c.Hook(0), "symbol"), c.Require(c.Hook(0), "qty")
	l.large = c.Int("large", 1000)
	l.lots = map[string]int64{}
	lots := c.Section("lots")
	for _, symbol := range lots.Keys() {
		if l.lots[symbol] = lots.Int(symbol, 1); l.lots[symbol] < 1 {
			lots.Fail(symbol, "a lot has at least one piece")
		}
	}
	return nil
}

// Validate implements sdk.Validator. A row without a verdict is accepted; what is allocated is allocated in Configure.
func (l *lotSize) Validate(b *sdk.Batch, v *sdk.Verdicts) error {
	for row := range b.Len() {
		symbol := b.Cell(row, l.symbol).Text()
		qty, ok := b.Int(row, l.qty)
		lot, known := l.lots[symbol]
		switch {
		case !ok: // Cell.Int would make 0 of it, which is a whole number of lots
			v.Reject(row, l.qty, codeType, "the quantity is no integer")
		case !known:
			v.Reject(row, l.symbol, codeSymbol, l.message.Start("no lot is known for ").Text(symbol).String())
		case qty%lot != 0:
			v.Reject(row, l.qty, codeLot, l.message.Start("qty ").Int(qty).Text(" is no multiple of the lot, ").Int(lot).String())
		case qty/lot >= l.large:
			v.Warn(row, l.qty, codeLarge, l.message.Start("").Int(qty/lot).Text(" lots").String())
		}
	}
	return nil
}

var _ = sdk.Export(&lotSize{})

func main() {}
