package sdk_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/sdk"
)

const full = `{"abi":1,"name":"n","version":"1.2.3","config":{"i":-9223372036854775808,"f":1.5,"t":"x","b":true,"d":"90d","z":null,"list":["a","b"],"ints":[1,2],
 "o":{"k":1},"os":[{"k":1},{"k":2}]},"schemas":[{"id":0,"table":"orders","on":"validate","when":"commit","columns":["Id","qty"]}],"lookups":[{"id":0,"name":"marks"}]}`

func TestConfig(t *testing.T) {
	t.Parallel()
	r := &reading{}
	if why := r.refuses(t, full); why != "" {
		t.Fatal(why)
	}
	c := r.c
	if c.Name() != "n" || c.Version() != "1.2.3" || c.Int("i", 0) != -1<<63 || c.Float("f", 0) != 1.5 || c.Text("t", "") != "x" || !c.Bool("b", false) || c.Duration("d", 0) != 90*24*time.Hour {
		t.Error("a value is read wrong")
	}
	if c.Int("z", 4) != 4 || c.Text("none", "d") != "d" || c.Has("z") || !c.Has("b") || c.Float("i2", 2) != 2 || c.Duration("none", time.Second) != time.Second {
		t.Error("a value that is missing does not read as its default")
	}
	if l, n, os := c.Texts("list"), c.Ints("ints"), c.Sections("os"); len(l) != 2 || l[1] != "b" || len(n) != 2 || n[1] != 2 || len(os) != 2 || os[1].Int("k", 0) != 2 || os[1].Name() != "config.os[1]" {
		t.Errorf("lists: %v %v %v", l, n, os)
	}
	if c.Section("o").Int("k", 0) != 1 || c.Section("none").Has("k") || len(c.Section("none").Keys()) != 0 {
		t.Error("an object is read wrong")
	}
	h := c.Hook(0)
	if h.Table != "orders" || h.When != "commit" || h.Column("id") != 0 || h.Column("QTY") != 1 || h.Column("no") != -1 || c.Hook(1).Column("id") != -1 {
		t.Errorf("hook: %+v", h)
	}
	if !c.Lookup("marks").Known() || c.Lookup("none").Known() {
		t.Error("a query is found wrong")
	}
}

// mistaken reads a configuration that is wrong in every way.
type mistaken struct{ reading }

func (m *mistaken) Configure(c *sdk.Config) error {
	c.Int("t", 0)
	c.Text("i", "")
	c.Bool("f", false)
	c.Duration("t", 0)
	c.Int("f", 0)
	c.Section("list")
	c.Sections("list")
	c.OneOf("t", "a", "b")
	c.Require(c.Hook(0), "price")
	return nil
}

func TestMistakesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	h := &mistaken{}
	block := sdk.NewInstance(h, sdk.Services{}).Configure([]byte(full))
	if block == nil {
		t.Fatal("a configuration full of mistakes was taken")
	}
	why := string(block)
	for _, part := range []string{"config.t: is a text, want a number", "config.i: is a number, want a text", "config.f: is a number, want true or false", "config.t: \"x\" is no duration"} {
		if !strings.Contains(why, part) {
			t.Errorf("%q is not said in %q", part, why)
		}
	}
}

func TestHooksThatAreNotServed(t *testing.T) {
	t.Parallel()
	r := &reading{}
	doc := strings.Replace(full, `"on":"validate"`, `"on":"retain"`, 1)
	if why := r.refuses(t, doc); !strings.Contains(why, "does not serve the hook retain") {
		t.Errorf("a validator was taken as a retention policy: %q", why)
	}
	if why := r.refuses(t, strings.Replace(full, `"id":0,"table"`, `"id":1,"table"`, 1)); !strings.Contains(why, "schemas[0].id: is 1, want 0") {
		t.Errorf("a hook with another number was taken: %q", why)
	}
}

// lists reads a list of integers.
type lists struct{ got []int64 }

func (l *lists) Configure(c *sdk.Config) error { l.got = c.Ints("ints"); return nil }

func (*lists) Validate(*sdk.Batch, *sdk.Verdicts) error { return nil }

// TestIntsThatAreNone: a number that no integer can hold is refused, not rounded to one that can.
func TestIntsThatAreNone(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{"9223372036854775807": true, "-9223372036854775808": true, "9223372036854775808": false, "-9223372036854775809": false, "1.5": false, "1e3": false, `"1"`: false, "null": false} {
		p := &lists{}
		block := sdk.NewInstance(p, sdk.Services{}).Configure([]byte(`{"config":{"ints":[7,` + text + `]},"schemas":[{"id":0,"table":"a","on":"validate","columns":["x"]}]}`))
		if (block == nil) != good || good && len(p.got) != 2 {
			t.Errorf("%s: %q, %v", text, block, p.got)
		}
	}
}
