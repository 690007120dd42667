package plugins

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// RunTests asks a unit about the manifest's own test cases.
//
// # Errors
//
// The unit's own, or a *Fault of kind FaultLoad that says which case came out otherwise, and how.
func RunTests(ctx context.Context, m *Manifest, u Unit) error {
	var b abi.Batch
	for i, t := range m.Tests {
		name := t.Name
		if name == "" {
			name = fmt.Sprintf("tests[%d]", i)
		}
		bad := func(format string, a ...any) error {
			return &Fault{Kind: FaultLoad, Plugin: m.Name, Version: m.Version, Reason: "its own test " + name + ": " + fmt.Sprintf(format, a...)}
		}
		if err := t.batch(m, &b); err != nil {
			return bad("%v", err)
		}
		out, err := u.Call(contract.WithKeeper(ctx, newScratch()), t.hook(m), &b, t.at())
		if err != nil {
			return err
		}
		if diff := t.compare(out.Verdicts); diff != "" {
			return bad("%s", diff)
		}
		if t.MaxFuel > 0 && out.Fuel > t.MaxFuel {
			return bad("it burnt %d units of fuel, max_fuel is %d", out.Fuel, t.MaxFuel)
		}
	}
	return nil
}

func (t TestCase) hook(m *Manifest) Hook {
	for h := HookValidate; h <= HookNotify; h++ {
		if h.String() == m.Hooks[t.Hook].On {
			return h
		}
	}
	return HookValidate
}

func (t TestCase) at() time.Time {
	if at, err := time.Parse(time.RFC3339, t.At); err == nil {
		return at
	}
	return time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
}

// op is what happened to the rows; the hook says what is the default.
func (t TestCase) op(m *Manifest) abi.Op {
	if t.Op == "" {
		switch m.Hooks[t.Hook].On {
		case "retain":
			return abi.OpScan
		case "notify":
			return abi.OpNotify
		}
	}
	return opOf(t.Op)
}

func (t TestCase) batch(m *Manifest, b *abi.Batch) error {
	b.Reset(t.op(m), uint32(t.Hook), len(m.Hooks[t.Hook].columns()))
	for _, row := range t.Rows {
		for _, v := range row {
			if err := appendValue(b, v); err != nil {
				return err
			}
		}
	}
	return b.Check()
}

func appendValue(b *abi.Batch, v any) error {
	switch v := v.(type) {
	case nil:
		b.Null()
	case int:
		b.Int(int64(v))
	case int64:
		b.Int(v)
	case uint64:
		if v > math.MaxInt64 {
			return fmt.Errorf("%d is no integer of 64 bits: write it as a float or a text", v)
		}
		b.Int(int64(v))
	case bool:
		if v {
			b.Int(1)
		} else {
			b.Int(0)
		}
	case float64:
		b.Float(v)
	case string:
		b.Text(v)
	case []byte:
		b.Blob(v)
	case time.Time:
		b.Text(v.Format(time.RFC3339))
	default:
		return fmt.Errorf("a value of type %T: use numbers, texts and null", v)
	}
	return nil
}

// compare says what came out otherwise; "" for nothing.
func (t TestCase) compare(got []Verdict) string {
	left := append([]Verdict(nil), got...)
	for _, e := range t.Expect {
		action, _ := actionOf(e.Action)
		found := -1
		for i, v := range left {
			if int(v.Row) == e.Row && v.Action == action && (e.Code == 0 || e.Code == v.Code) && strings.Contains(v.Message, e.Message) {
				found = i
				break
			}
		}
		if found < 0 {
			want := "no verdict"
			for _, part := range []string{e.Action, codeText(e.Code), quoted(e.Message)} {
				if part != "" {
					want += " " + part
				}
			}
			return fmt.Sprintf("%s for row %d; it said %s", want, e.Row, verdictText(got))
		}
		left = append(left[:found], left[found+1:]...)
	}
	if len(left) > 0 {
		return "nothing expects what it said: " + verdictText(left)
	}
	return ""
}

// codeText names a code; "" for any.
func codeText(code uint32) string {
	if code == 0 {
		return ""
	}
	return fmt.Sprintf("of code %d", code)
}

// quoted is a part of a message; "" for none.
func quoted(message string) string {
	if message == "" {
		return ""
	}
	return fmt.Sprintf("with %q", message)
}

func verdictText(vs []Verdict) string {
	if len(vs) == 0 {
		return "nothing"
	}
	var parts []string
	for _, v := range vs[:min(len(vs), 5)] {
		parts = append(parts, fmt.Sprintf("row %d code %d action %d %q", v.Row, v.Code, v.Action, v.Message))
	}
	return strings.Join(parts, ", ")
}
