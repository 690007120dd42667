package sdktest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/sdktest"
)

// listening is a test that notes its failures instead of failing.
type listening struct {
	testing.TB
	said []string
}

func (l *listening) Helper() {}

func (l *listening) Errorf(format string, a ...any) {
	l.said = append(l.said, fmt.Sprintf(format, a...))
}

// talker does to each row what its column says.
type talker struct{}

func (talker) Validate(b *sdk.Batch, v *sdk.Verdicts) error {
	for row := range b.Len() {
		switch b.Cell(row, 0).Text() {
		case "reject":
			v.Reject(row, 0, 7, "no")
		case "warn":
			v.Warn(row, 0, 8, "perhaps")
		}
	}
	return nil
}

func (talker) Retain(b *sdk.Batch, a *sdk.Actions) error {
	for row := range b.Len() {
		switch b.Cell(row, 0).Text() {
		case "archive":
			a.Archive(row, 1, "")
		case "delete":
			a.Delete(row, 2, "")
		case "hold":
			a.Hold(row, 3, "")
		}
	}
	return nil
}

// TestChecksFail: each check of a result fails where it should, and holds where it should. Actions of a policy share their numbers with verdicts, and are none.
func TestChecksFail(t *testing.T) {
	t.Parallel()
	hooks := []sdk.Hook{{Table: "t", Columns: []string{"x"}}, {On: "retain", Table: "t", Columns: []string{"x"}}}
	for _, c := range []struct {
		on    int
		row   string
		check func(r *sdktest.Result)
		fails string
	}{
		{0, "", func(r *sdktest.Result) { r.Accepts().Only() }, ""},
		{0, "warn", func(r *sdktest.Result) { r.Accepts().Warns(0, 8, "perhaps").Only(0) }, ""},
		{0, "reject", func(r *sdktest.Result) { r.Rejects(0, 7, "no").Rejects(0, 0, "") }, ""},
		{0, "reject", func(r *sdktest.Result) { r.Accepts() }, "want nothing"},
		{0, "reject", func(r *sdktest.Result) { r.Rejects(0, 8, "") }, "code 8"},
		{0, "reject", func(r *sdktest.Result) { r.Rejects(0, 7, "yes") }, `"yes"`},
		{0, "reject", func(r *sdktest.Result) { r.Only() }, "spoke of the rows [0]"},
		{0, "reject", func(r *sdktest.Result) { r.Fails("") }, "judged"},
		{0, "warn", func(r *sdktest.Result) { r.Rejects(0, 8, "") }, "want action 1"},
		{0, "", func(r *sdktest.Result) { r.Rejects(0, 0, "") }, "nothing was said"},
		{1, "", func(r *sdktest.Result) { r.Accepts() }, ""},
		{1, "archive", func(r *sdktest.Result) { r.Accepts() }, "want nothing"},
		{1, "delete", func(r *sdktest.Result) { r.Accepts() }, "want nothing"},
		{1, "hold", func(r *sdktest.Result) { r.Accepts() }, "want nothing"},
	} {
		l := &listening{TB: t}
		h := sdktest.New(l, talker{}, sdktest.Setup{Hooks: hooks}).On(c.on)
		if c.on == 0 {
			c.check(h.Insert(sdktest.Row{c.row}))
		} else {
			c.check(h.Scan(sdktest.Row{c.row}))
		}
		if got := strings.Join(l.said, "; "); (c.fails == "") != (got == "") || !strings.Contains(got, c.fails) {
			t.Errorf("hook %d, %q: %q, want %q", c.on, c.row, got, c.fails)
		}
	}
}

// keeper keeps what its rows say.
type keeper struct{}

func (keeper) Validate(b *sdk.Batch, v *sdk.Verdicts) error {
	for row := range b.Len() {
		key := b.Cell(row, 0).Text()
		var value []byte
		if n := b.Cell(row, 1).Int(); n > 0 {
			value = make([]byte, n)
		}
		if err := b.Put(key, value); err != nil {
			v.Reject(row, 0, 1, err.Error())
			continue
		}
		if _, ok, err := b.Get(key); !ok || err != nil {
			v.Reject(row, 0, 2, "what was put is not there")
		}
	}
	return nil
}

// TestKeptAsInAnEngine: keys and values have the limits of an engine, and a value of no bytes is one.
func TestKeptAsInAnEngine(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, keeper{}, sdktest.Setup{Hooks: []sdk.Hook{{Table: "t", Columns: []string{"key", "size"}}}})
	h.Insert(sdktest.Row{"a", 0}, sdktest.Row{strings.Repeat("k", 256), 64 << 10}).Accepts()
	h.Insert(sdktest.Row{"", 1}, sdktest.Row{strings.Repeat("k", 257), 1}, sdktest.Row{"a", 64<<10 + 1}).Only(0, 1, 2).Rejects(0, 1, "cannot read").Rejects(1, 1, "").Rejects(2, 1, "")
}
