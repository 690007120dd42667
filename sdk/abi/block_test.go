package abi_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/tidegate/engine/sdk/abi"
)

func sample() []abi.Record {
	return []abi.Record{
		{Row: 2, Code: 17, Col: 1, Action: abi.Reject, Severity: abi.SeverityError, Message: "qty is over the limit"},
		{Row: 0, Code: 18, Col: abi.WholeRow, Action: abi.Warn, Aux: 5},
	}
}

func block(kind abi.Kind, records ...abi.Record) []byte {
	var k abi.Block
	for _, r := range records {
		k.Add(r)
	}
	return k.Bytes(kind)
}

func TestBlockComesBack(t *testing.T) {
	t.Parallel()
	kind, got, err := abi.DecodeBlock(nil, block(abi.Verdicts, sample()...), 3, 2)
	if err != nil || kind != abi.Verdicts || !slices.Equal(got, sample()) {
		t.Fatalf("%v %+v %v", kind, got, err)
	}
	kind, got, err = abi.DecodeBlock(got[:0], block(abi.Failure, abi.Record{Message: "no such account"}), 0, 0)
	if err != nil || kind != abi.Failure || len(got) != 1 || got[0].Message != "no such account" {
		t.Fatalf("%v %+v %v", kind, got, err)
	}
}

// TestBlockLayout holds the codec to the bytes that doc.go describes.
func TestBlockLayout(t *testing.T) {
	t.Parallel()
	got := block(abi.Actions, abi.Record{Row: 1, Code: 2, Col: 3, Action: abi.Retry, Severity: abi.Warning, Aux: 9, Message: "hm"})
	want := []byte("\x02\x00" + "\x01\x00" + "\x01\x00\x00\x00" +
		"\x01\x00\x00\x00" + "\x02\x00\x00\x00" + "\x03\x00" + "\x05" + "\x01" + "\x20\x00\x00\x00" + "\x02\x00\x00\x00" + "\x09\x00\x00\x00" + "hm")
	if !bytes.Equal(got, want) {
		t.Fatalf("got\n%q, want\n%q", got, want)
	}
}

// TestBlockIsBounded fills a block until it is full: it must never grow past what the host accepts.
func TestBlockIsBounded(t *testing.T) {
	t.Parallel()
	var k abi.Block
	n := uint32(0)
	for ; k.Add(abi.Record{Row: n, Action: abi.Reject, Message: strings.Repeat("ä", 200)}); n++ {
	}
	if _, got, err := abi.DecodeBlock(nil, k.Bytes(abi.Verdicts), int(n), 1); err != nil || len(got) != int(n) {
		t.Fatalf("%d of %d records: %v", len(got), n, err)
	} else if m := got[0].Message; m != strings.Repeat("ä", 128) {
		t.Errorf("cut to %d bytes: %q", len(m), m)
	}
	if got := abi.Cut("aä", 2); got != "a" {
		t.Errorf("cut inside a character: %q", got)
	}
}

// TestDecodeBlockRefuses lists the lies that a guest may tell.
func TestDecodeBlockRefuses(t *testing.T) {
	t.Parallel()
	change := func(b []byte, off int, v uint32) []byte {
		b = bytes.Clone(b)
		binary.LittleEndian.PutUint32(b[off:], v)
		return b
	}
	good := block(abi.Verdicts, sample()...)
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"nothing":             {nil, "length"},
		"too long":            {make([]byte, abi.MaxBlock+1), "length"},
		"kind 0":              {change(good, 0, 1<<16), "kind"},
		"kind 9":              {change(good, 0, 1<<16|9), "kind"},
		"version":             {change(good, 0, 2<<16|1), "version"},
		"more than rows":      {block(abi.Verdicts, append(sample(), sample()...)...), "more records"},
		"more than bytes":     {change(block(abi.Verdicts), 4, 3), "number of records"},
		"record out of range": {block(abi.Verdicts, abi.Record{Row: 3, Action: abi.Reject}), "row"},
		"column out of range": {block(abi.Verdicts, abi.Record{Col: 2, Action: abi.Reject}), "col"},
		"severity":            {block(abi.Verdicts, abi.Record{Action: abi.Reject, Severity: 4}), "severity"},
		"no action":           {block(abi.Verdicts, abi.Record{}), "action"},
		"action of others":    {block(abi.Verdicts, abi.Record{Action: abi.Delete + 1}), "action"},
		"unknown action":      {block(abi.Actions, abi.Record{Action: abi.Drop + 1}), "action"},
		"a row twice":         {block(abi.Actions, abi.Record{}, abi.Record{}), "a row twice"},
		"message offset":      {change(good, 8+12, 1<<31), "message"},
		"message length":      {change(good, 8+16, 0xffffffff), "message"},
		"message too long":    {change(block(abi.Verdicts, abi.Record{Action: abi.Warn}), 8+16, 257), "message"},
		"two errors":          {block(abi.Failure, abi.Record{}, abi.Record{}), "an error has one"},
		"error of nothing":    {block(abi.Failure), "an error has one"},
	} {
		_, got, err := abi.DecodeBlock(nil, c.b, 3, 2)
		if err == nil || !strings.Contains(err.Error(), c.want) || got != nil {
			t.Errorf("%s: %v %v, want an error with %q", name, got, err, c.want)
		}
	}
}

// TestVerdictsOfNoRows: who was asked about nothing can judge nothing.
func TestVerdictsOfNoRows(t *testing.T) {
	t.Parallel()
	for _, rows := range []int{0, -1} {
		if _, got, err := abi.DecodeBlock(nil, block(abi.Verdicts, abi.Record{Col: abi.WholeRow, Action: abi.Reject}), rows, 1); err == nil {
			t.Errorf("%d rows: %v", rows, got)
		}
		if _, _, err := abi.DecodeBlock(nil, block(abi.Verdicts), rows, 1); err != nil {
			t.Error(err)
		}
	}
	if _, got, err := abi.DecodeBlock(nil, block(abi.Verdicts, abi.Record{Row: 64, Action: abi.Reject}), 65, 1); err != nil || len(got) != 1 {
		t.Errorf("the last of 65 rows: %v", err)
	}
}

// FuzzDecodeBlock looks for blocks on which the decoder panics, or that do not come back the same.
func FuzzDecodeBlock(f *testing.F) {
	f.Add(block(abi.Verdicts, sample()...), 3, 2)
	f.Add(block(abi.Failure, abi.Record{Message: "x"}), 0, 0)
	f.Fuzz(func(t *testing.T, in []byte, rows, cols int) {
		if rows > 1<<20 {
			return
		}
		kind, got, err := abi.DecodeBlock(nil, in, rows, cols)
		if err != nil {
			return
		}
		var k abi.Block
		for _, r := range got {
			if !k.Add(r) {
				return // the messages overlapped in what came in
			}
		}
		if k.Len() > 0 && len(k.Bytes(kind)) >= abi.MaxBlock-abi.MaxMessage {
			return // the last message may have been left out for want of room
		}
		if _, again, err := abi.DecodeBlock(nil, k.Bytes(kind), rows, cols); err != nil || !slices.Equal(got, again) {
			t.Fatalf("got %v, again %v, %v", got, again, err)
		}
	})
}
