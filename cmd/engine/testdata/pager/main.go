//go:build wasip1

// Command pager is a sink of somebody else's: it sends a line of text for each alert, and fails where its configuration says so.
package main

import (
	"errors"
	"time"

	"github.com/tidegate/engine/sdk"
)

type pager struct{ greeting, fails string }

func (p *pager) Configure(c *sdk.Config) error {
	p.greeting, p.fails = c.Text("greeting", "alert"), c.Text("fails", "")
	return nil
}

func (p *pager) Notify(b *sdk.Batch, d *sdk.Deliveries) error {
	switch p.fails {
	case "error":
		return errors.New("the pager is out of paper")
	case "panic":
		panic("out of paper")
	}
	for row := range b.Len() {
		a := b.Alert(row)
		err := b.Post("desk", sdk.Post{Headers: [][2]string{{"content-type", "text/plain"}, {"x-pager", p.greeting}}, Body: []byte(p.greeting + " " + a.Rule + " " + a.Title)})
		if err != nil {
			d.Retry(row, time.Second, err.Error())
		}
	}
	return nil
}

var _ = sdk.Export(&pager{})

func main() {}
