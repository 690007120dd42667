package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestTableAligns(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	w := newTable(&b, []string{"n", "näme", "mixed"})
	for _, row := range [][]any{{int64(1), "é", int64(5)}, {int64(-100), "longer", "text"}, {nil, nil, 2.0}} {
		if err := w.row(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	want := "   n  näme    mixed\n----  ------  -----\n   1  é       5\n-100  longer  text\nNULL  NULL    2.0\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestTableWithoutRows(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := newTable(&b, []string{"a", "b"}).end(); err != nil || b.String() != "a  b\n-  -\n" {
		t.Errorf("got %q, %v", b.String(), err)
	}
}

// The table begins to write after a sample, and what comes later is written as it comes.
func TestTableStreams(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	w := newTable(&b, []string{"a"})
	for i := range sample {
		if b.Len() > 0 {
			t.Fatalf("output after %d rows: the widths were not known yet", i)
		}
		if err := w.row([]any{int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Count(b.String(), "\n") != sample+2 {
		t.Fatalf("%d lines after the sample", strings.Count(b.String(), "\n"))
	}
	if err := errors.Join(w.row([]any{"much wider than all before"}), w.end()); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(b.String(), "\nmuch wider than all before\n") {
		t.Errorf("a wide value was cut: %q", b.String()[b.Len()-40:])
	}
}

func TestCell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   any
		want string
	}{
		{nil, "NULL"}, {"NULL", "'NULL'"}, {"", "''"}, {"null", "null"}, {1.0, "1.0"}, {-2.0, "-2.0"}, {1e21, "1e+21"}, {"a\tb\n", `a\tb\n`}, {"\x1b[31m", `\x1b[31m`},
		{"say \"hi\"\n", `say "hi"\n`}, {"\xff", `\xff`}, {[]byte{}, "x''"}, {"Ωmega", "Ωmega"},
	} {
		if got := cell(c.in); got != c.want {
			t.Errorf("cell(%#v) = %q, want %q", c.in, got, c.want)
		}
	}
}

// failing is an output whose reader has gone.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestOutputFails(t *testing.T) {
	t.Parallel()
	objects, err := newObjects(failing{}, []string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]rowWriter{"table": newTable(failing{}, []string{"a"}), "objects": objects} {
		if err := errors.Join(w.row([]any{"x"}), w.end()); err == nil {
			t.Errorf("%s: no error from an output that is gone", name)
		}
	}
}

// No value is lost to a key that is there twice, and no text to letters that JSON cannot hold.
func TestObjectsLoseNothing(t *testing.T) {
	t.Parallel()
	o := must(t, "query", "--db", "sqlite://", "--json", "SELECT 1 AS f, 2 AS f, 3 AS f_2, 4 AS f, CAST(x'61ff' AS TEXT) AS t")
	var row map[string]any
	if err := json.Unmarshal([]byte(o.stdout), &row); err != nil || len(row) != 5 {
		t.Errorf("%s: %v, %v", o.stdout, row, err)
	}
	if want := `"t":{"text_hex":"61ff"}`; !strings.Contains(o.stdout, want) {
		t.Errorf("%s lacks %s", o.stdout, want)
	}
}
