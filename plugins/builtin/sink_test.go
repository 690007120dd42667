package builtin_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/builtin"
	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// caller is a sink that does what its configuration says.
type caller struct{ to string }

func (c *caller) Configure(s *sdk.Config) error {
	if c.to = s.Text("to", ""); c.to == "" {
		s.Fail("to", "name somebody")
	}
	return nil
}

func (c *caller) Notify(b *sdk.Batch, d *sdk.Deliveries) error {
	for row := range b.Len() {
		a := b.Alert(row)
		if err := b.Post(c.to, sdk.Post{Body: []byte(a.Title)}); err != nil {
			d.Retry(row, time.Minute, "refused")
		}
	}
	return nil
}

// box keeps what is posted.
type box struct{ got []string }

func (b *box) Post(_ context.Context, endpoint string, message []byte) (bool, error) {
	p, err := sdk.ParsePost(message)
	b.got = append(b.got, endpoint+": "+string(p.Body))
	return true, err
}

// A sink posts to the outbox of the call, to the endpoints that it was granted and to no others.
func TestSink(t *testing.T) {
	t.Parallel()
	alerts := []sdk.Alert{{ID: 1, Rule: "r", Title: "first", Firing: true}, {ID: 2, Rule: "r", Title: "second"}}
	for to, want := range map[string]int{"ops": 2, "elsewhere": 0} {
		s, err := builtin.Sink(t.Context(), builtin.SinkSetup{Name: "caller", Make: func() any { return &caller{} }, Config: map[string]any{"to": to}, Endpoints: []string{"ops"}})
		if err != nil {
			t.Fatal(err)
		}
		var b box
		out, err := s.Notify(contract.WithOutbox(t.Context(), &b), alerts, time.Unix(0, 0))
		if err != nil || len(b.got) != want || len(out.Verdicts) != 2-want || want == 2 && b.got[1] != "ops: second" || want == 0 && out.Verdicts[0].Action != abi.Retry {
			t.Errorf("%s: posted %q, said %+v, %v", to, b.got, out.Verdicts, err)
		}
		if out, err = s.Notify(t.Context(), alerts, time.Unix(0, 0)); err != nil || len(out.Verdicts) != 2 {
			t.Errorf("without an outbox: %+v, %v", out, err)
		}
		if s.Identity().Name != "caller" {
			t.Errorf("%+v", s.Identity())
		}
	}
	if _, err := builtin.Sink(t.Context(), builtin.SinkSetup{Name: "caller", Make: func() any { return &caller{} }}); !errors.Is(err, plugins.ErrFault) {
		t.Errorf("a sink that refuses its configuration: %v", err)
	}
}

// A sink of a registry is whatever version is in service when it is asked; what is not, is no sink.
func TestSinkOfRegistry(t *testing.T) {
	t.Parallel()
	r := plugins.NewRegistry(plugins.Options{Hosts: map[string]plugins.Host{plugins.KindBuiltin: builtin.New(map[string]func() any{"caller": func() any { return &caller{} }, "odd": func() any { return &odd{} }}, plugins.Services{})}})
	s := r.Sink("caller")
	if _, err := s.Notify(t.Context(), nil, time.Unix(0, 0)); !errors.Is(err, plugins.ErrState) || s.Identity().Version != "" {
		t.Errorf("not in service: %v", err)
	}
	load := func(name, version string, h plugins.HookSpec, c map[string]any) {
		t.Helper()
		m := &plugins.Manifest{Name: name, Version: version, ABI: abi.Version, Kind: plugins.KindBuiltin, Module: name, Hooks: []plugins.HookSpec{h}, Capabilities: plugins.Capabilities{Outbox: []string{"a", "b"}}, Config: c}
		if _, err := r.Load(t.Context(), m, nil); err != nil {
			t.Fatal(err)
		}
	}
	var b box
	ctx := contract.WithOutbox(t.Context(), &b)
	for version, to := range map[string]string{"1.0.0": "a", "2.0.0": "b"} {
		load("caller", version, plugins.HookSpec{On: "notify"}, map[string]any{"to": to})
		if _, err := s.Notify(ctx, []sdk.Alert{{Title: "x"}}, time.Unix(0, 0)); err != nil || b.got[len(b.got)-1] != to+": x" || s.Identity().Version != version {
			t.Errorf("%s: %q, %v", version, b.got, err)
		}
	}
	load("odd", "1.0.0", plugins.HookSpec{On: "validate", Table: "t", Columns: []string{"id"}}, nil)
	if _, err := r.Sink("odd").Notify(ctx, nil, time.Unix(0, 0)); !errors.Is(err, plugins.ErrState) {
		t.Errorf("a rule as a sink: %v", err)
	}
	if got := r.Sinks(); len(got) != 1 || got[0] != "caller" {
		t.Errorf("sinks %v", got)
	}
}

// flood posts until it is refused.
type flood struct{ posted int }

func (f *flood) Notify(b *sdk.Batch, _ *sdk.Deliveries) error {
	for ; f.posted < 5000; f.posted++ {
		if err := b.Post("ops", sdk.Post{}); err != nil {
			return nil
		}
	}
	return nil
}

// A message that is refused because of the bound of a call is not taken all the same: the sink would send it again.
func TestRefusedIsNotPosted(t *testing.T) {
	t.Parallel()
	f := &flood{}
	s, err := builtin.Sink(t.Context(), builtin.SinkSetup{Name: "flood", Make: func() any { return f }, Endpoints: []string{"ops"}})
	if err != nil {
		t.Fatal(err)
	}
	var b box
	if _, err := s.Notify(contract.WithOutbox(t.Context(), &b), []sdk.Alert{{ID: 1}}, time.Unix(0, 0)); err != nil || f.posted != 1002 || len(b.got) != f.posted {
		t.Errorf("%d posts were taken, and the sink knows of %d, %v", len(b.got), f.posted, err)
	}
}
