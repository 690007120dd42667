package sdk_test

import (
	"errors"
	"testing"

	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/sdktest"
)

// asking keeps its query.
type asking struct {
	q    sdk.Query
	does func(b *sdk.Batch, q sdk.Query, v *sdk.Verdicts) error
}

func (a *asking) Configure(c *sdk.Config) error                { a.q = c.Lookup("names"); return nil }
func (a *asking) Validate(b *sdk.Batch, v *sdk.Verdicts) error { return a.does(b, a.q, v) }

func TestLookup(t *testing.T) {
	t.Parallel()
	setup := sdktest.Setup{Hooks: []sdk.Hook{{Table: "t", Columns: []string{"id", "v"}}}, Lookups: []sdktest.Lookup{{Name: "names", Columns: 2, Answer: func(args []any) ([]sdktest.Row, error) {
		if len(args) != 5 || args[0] != int64(-5) || args[1] != 2.5 || args[2] != "x" || args[3] != nil || string(args[4].([]byte)) != "\x00" {
			t.Errorf("arguments %v", args)
		}
		return []sdktest.Row{{1, "one"}, {2, nil}}, nil
	}}}}
	h := sdktest.New(t, &asking{does: func(b *sdk.Batch, q sdk.Query, v *sdk.Verdicts) error {
		rows, err := b.Lookup(q, sdk.Int(-5), sdk.Float64(2.5), sdk.String("x"), sdk.Value{}, sdk.Of(b.Cell(0, 1)))
		if err != nil || rows.Len() != 2 || rows.Cell(0, 0, 1).Text() != "one" || !rows.Cell(1, 0, 1).IsNull() {
			t.Errorf("%v, %v", rows.Len(), err)
		}
		_, err = b.Lookup(sdk.Query{}, sdk.Int(1))
		return err
	}}, setup)
	r := h.Insert(sdktest.Row{1, []byte{0}}).Fails("capabilities.lookup")
	if h.Lookups() != 1 || r.Err == nil {
		t.Errorf("%d queries", h.Lookups())
	}
}

func TestServicesThatAreNotThere(t *testing.T) {
	t.Parallel()
	asked := 0
	p := &asking{does: func(b *sdk.Batch, _ sdk.Query, _ *sdk.Verdicts) error {
		b.Log(sdk.LevelInfo, "nobody listens")
		b.Count("nobody counts", 1)
		_, _, err := b.Get("k")
		for _, err := range []error{err, b.Put("k", nil), b.Remove("k"), b.Post("e", sdk.Post{})} {
			if !errors.Is(err, sdk.ErrRefused) {
				t.Errorf("%v, want a refusal", err)
			}
			asked++
		}
		return nil
	}}
	in := sdk.NewInstance(p, sdk.Services{})
	doc, err := (&sdktest.Setup{Hooks: []sdk.Hook{{Table: "t", Columns: []string{"id"}}}}).Document()
	if err != nil || in.Configure(doc) != nil {
		t.Fatal(err)
	}
	if check(t, in.Call("validate", oneRow(t), 0), 1, 1) != 0 || asked != 4 {
		t.Errorf("asked %d", asked)
	}
}

func TestServices(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, &asking{does: func(b *sdk.Batch, _ sdk.Query, _ *sdk.Verdicts) error {
		_, before, _ := b.Get("k")
		err := errors.Join(b.Put("k", []byte{}), b.Post("ops", sdk.Post{Headers: [][2]string{{"x-a", "1"}}, Body: []byte("hello\n\n")}))
		v, after, _ := b.Get("k")
		b.Log(sdk.LevelWarning, "line")
		b.Count("seen", 2)
		if before || !after || len(v) != 0 || !errors.Is(b.Post("others", sdk.Post{}), sdk.ErrRefused) {
			t.Errorf("%v %v %q", before, after, v)
		}
		return errors.Join(err, b.Remove("k"))
	}}, sdktest.Setup{Hooks: []sdk.Hook{{Table: "t", Columns: []string{"id"}}}, Endpoints: []string{"ops"}})
	h.Insert(sdktest.Row{1}).Accepts()
	h.Insert(sdktest.Row{1}).Accepts()
	posts := h.Posts()
	if len(posts) != 2 || posts[1].Endpoint != "ops" || string(posts[1].Body) != "hello\n\n" || posts[1].Headers[0] != [2]string{"x-a", "1"} {
		t.Errorf("%q", posts)
	}
	if h.Counter("seen") != 4 || len(h.Log()) != 2 || h.Log()[0] != "warning line" {
		t.Errorf("%v %q", h.Counter("seen"), h.Log())
	}
}
