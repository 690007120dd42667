package main

import (
	"database/sql"
	"reflect"
	"testing"
)

func TestLiteral(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]any{
		"null": nil, "NULL": nil, "'null'": "null", "": "", "''": "", "'it''s'": "it's", "plain": "plain",
		"0": int64(0), "-1": int64(-1), "9223372036854775807": int64(9223372036854775807), "'1'": "1",
		"1.5": 1.5, "-0.25": -0.25, ".5": .5, "1e3": 1e3, "2.5E-2": 2.5e-2,
		"007": "007", "+1": "+1", "1.2.3": "1.2.3", "-": "-", "e5": "e5", "-e5": "-e5", "inf": "inf", "nan": "nan", "0x10": "0x10", "1_000": "1_000", ".": ".", "1.": "1.",
		"x''": []byte{}, "x'00fF'": []byte{0, 255}, "X'0a'": []byte{10}, "x'": "x'", "'": "'",
	} {
		got, err := literal(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("literal(%q) = %#v, %v; want %#v", in, got, err, want)
		}
	}
	for _, in := range []string{"x'0'", "x'zz'", "9223372036854775808", "1e999"} {
		if got, err := literal(in); err == nil {
			t.Errorf("literal(%q) = %#v, want an error", in, got)
		}
	}
}

func TestNamedArguments(t *testing.T) {
	t.Parallel()
	var a arguments
	for _, s := range []string{":day=7", "$name='a=b'", "@x=null", "a=b", ":=1", ":9=1"} {
		if err := a.Set(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	want := []any{sql.Named("day", int64(7)), sql.Named("name", "a=b"), sql.Named("x", nil), "a=b", ":=1", ":9=1"}
	if a.err != nil || !reflect.DeepEqual(a.values, want) {
		t.Errorf("got %#v, %v; want %#v", a.values, a.err, want)
	}
}
