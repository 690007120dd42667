package abi_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/tidegate/engine/sdk/abi"
)

// trade is a batch of two updates with every storage class.
func trade(b *abi.Batch) {
	b.Reset(abi.OpUpdate, 7, 5)
	for row := range 2 {
		for image := range 2 {
			b.Int(int64(-1 - row))
			b.Float(0.25 * float64(image+1))
			b.Text("AAPL")
			b.Blob([]byte{0, 255})
			b.Null()
		}
	}
}

// TestBatchLayout holds the encoder to the bytes that doc.go describes: authors of other languages read them.
func TestBatchLayout(t *testing.T) {
	t.Parallel()
	var b abi.Batch
	b.Reset(abi.OpInsert, 3, 2)
	b.Int(-2)
	b.Text("hey")
	got, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []byte("TGB1" + "\x20\x00" + "\x02\x00" + "\x01\x00\x00\x00" + "\x28\x00\x00\x00" + "\x20\x00\x00\x00" + "\x48\x00\x00\x00" +
		"\x01\x00" + "\x01\x00" + "\x03\x00\x00\x00" +
		"hey\x00\x00\x00\x00\x00" +
		"\xfe\xff\xff\xff\xff\xff\xff\xff" + "\x00\x00\x00\x00" + "\x01\x00\x00\x00" +
		"\x20\x00\x00\x00\x00\x00\x00\x00" + "\x03\x00\x00\x00" + "\x03\x00\x00\x00")
	if !bytes.Equal(got, want) {
		t.Fatalf("got\n%q, want\n%q", got, want)
	}
}

func TestBatchComesBack(t *testing.T) {
	t.Parallel()
	var b abi.Batch
	trade(&b)
	enc, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := abi.Decode(enc)
	if err != nil {
		t.Fatal(err)
	}
	if r.Op() != abi.OpUpdate || r.Schema() != 7 || r.Len() != 2 || r.Columns() != 5 || r.Images() != 2 {
		t.Fatalf("header: %v %d %d %d %d", r.Op(), r.Schema(), r.Len(), r.Columns(), r.Images())
	}
	for row := range 2 {
		for _, image := range []abi.Image{abi.New, abi.Old} {
			if got := r.Cell(row, image, 0).Int(); got != int64(-1-row) {
				t.Errorf("int: %d", got)
			}
			if got := r.Cell(row, image, 1).Float(); got != 0.25*float64(image+1) {
				t.Errorf("float of image %d: %v", image, got)
			}
			if got := r.Cell(row, image, 2).Text(); got != "AAPL" {
				t.Errorf("text: %q", got)
			}
			if got := r.Cell(row, image, 3); got.Type() != abi.Blob || !bytes.Equal(got.Bytes(), []byte{0, 255}) {
				t.Errorf("blob: %v %q", got.Type(), got.Bytes())
			}
			if !r.Cell(row, image, 4).IsNull() {
				t.Error("null is none")
			}
		}
	}
	for _, c := range []abi.Cell{r.Cell(2, 0, 0), r.Cell(-1, 0, 0), r.Cell(0, 2, 0), r.Cell(0, 0, 5), r.Cell(0, 0, -1), {}} {
		if !c.IsNull() || c.Type() != abi.Null || c.Int() != 0 || c.Float() != 0 || c.Text() != "" {
			t.Error("a cell out of range is no NULL")
		}
	}
}

func TestBatchRefuses(t *testing.T) {
	t.Parallel()
	var b abi.Batch
	b.Reset(abi.OpInsert, 0, 2)
	b.Int(1)
	if _, err := b.Append(nil); err == nil {
		t.Error("a row that is not complete was encoded")
	}
	b.Int(2)
	if n, err := b.Encode(make([]byte, b.Size()-1)); err == nil || n != 0 {
		t.Error("encoded into too little room")
	}
	b.Reset(abi.OpInsert, 0, 0)
	if _, err := b.Append(nil); err == nil {
		t.Error("a batch of no columns was encoded")
	}
	b.Reset(0, 0, 1)
	if _, err := b.Append(nil); err == nil {
		t.Error("a batch of no op was encoded")
	}
}

// TestDecodeRefuses breaks one field at a time.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	var b abi.Batch
	trade(&b)
	good, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	cells := int(good[12])
	for name, c := range map[string]struct {
		off int
		val byte
	}{
		"magic": {0, 'X'}, "header_len too small": {4, 8}, "header_len too large": {5, 0xff}, "ncols": {6, 0}, "nrows": {10, 1}, "cells_off": {14, 1}, "cells_off odd": {12, good[12] + 1},
		"heap_off": {18, 1}, "total": {20, good[20] + 1}, "op": {24, 9}, "op 6": {24, 6}, "images": {26, 1}, "type": {cells + 12, 9}, "type 0": {cells + 12, 0},
		"len of an integer": {cells + 8, 1}, "len of a text": {cells + 2*16 + 10, 1}, "offset of a text": {cells + 2*16 + 7, 0x80}, "text over the header": {cells + 2*16, 0},
	} {
		bad := bytes.Clone(good)
		bad[c.off] = c.val
		if bytes.Equal(bad, good) {
			t.Fatalf("%s: nothing was broken", name)
		}
		if _, err := abi.Decode(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for n := range good {
		if _, err := abi.Decode(good[:n]); err == nil {
			t.Fatalf("the first %d bytes of %d were accepted", n, len(good))
		}
	}
}

func TestBatchAllocatesNothing(t *testing.T) {
	var b abi.Batch
	dst := make([]byte, 4096)
	once := func() {
		trade(&b)
		if _, err := b.Encode(dst); err != nil {
			t.Fatal(err)
		}
	}
	once()
	if n := testing.AllocsPerRun(100, once); n != 0 {
		t.Errorf("%v allocations for a batch", n)
	}
}

// FuzzDecode looks for bytes on which the decoder panics, or that come back as something else.
func FuzzDecode(f *testing.F) {
	var b abi.Batch
	trade(&b)
	enc, err := b.Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(enc)
	f.Add(enc[:32])
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := abi.Open(in)
		if err != nil {
			return
		}
		for row := range min(r.Len(), 64) {
			for col := range min(r.Columns(), 64) {
				_ = r.Cell(row, abi.Old, col).Text()
				_ = r.Cell(row, abi.New, col).Float()
			}
		}
		if r, err = abi.Decode(in); err != nil || r.Len() > 1<<20 {
			return
		}
		again := encodeRows(t, r)
		back, err := abi.Decode(again)
		if err != nil {
			t.Fatalf("what was encoded again is refused: %v", err)
		}
		sameRows(t, r, back)
	})
}

// FuzzBatch encodes what the fuzzer makes up and reads it back.
func FuzzBatch(f *testing.F) {
	f.Add([]byte("\x02\x00i\x07f\x01t\x03abcb\x02\x00\x01n"))
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) < 2 {
			return
		}
		var b abi.Batch
		op, cols := abi.Op(script[0]%5)+1, int(script[1]%9)+1
		b.Reset(op, uint32(script[0]), cols)
		var want []any
		for s := script[2:]; len(s) > 1; {
			kind, arg := s[0]%5, s[1]
			s = s[2:]
			data := s[:min(int(arg), len(s))]
			switch kind {
			case 0:
				b.Int(int64(arg) << 40)
				want = append(want, int64(arg)<<40)
			case 1:
				b.Float(float64(arg) / 3)
				want = append(want, float64(arg)/3)
			case 2:
				b.TextBytes(data)
				want = append(want, string(data))
				s = s[len(data):]
			case 3:
				b.Blob(data)
				want = append(want, bytes.Clone(data))
				s = s[len(data):]
			default:
				b.Null()
				want = append(want, nil)
			}
		}
		enc, err := b.Append(nil)
		if whole := len(want)%(cols*op.Images()) == 0; whole != (err == nil) {
			t.Fatalf("%d cells of %d columns: %v", len(want), cols, err)
		}
		if err != nil {
			return
		}
		r, err := abi.Decode(enc)
		if err != nil {
			t.Fatal(err)
		}
		if r.Len()*r.Images()*r.Columns() != len(want) {
			t.Fatalf("%d cells, want %d", r.Len()*r.Images()*r.Columns(), len(want))
		}
		for i, w := range want {
			c := r.Cell(i/cols/r.Images(), abi.Image(i/cols%r.Images()), i%cols)
			if !sameValue(c, w) {
				t.Fatalf("cell %d: got %v %q, want %v", i, c.Type(), c.Text(), w)
			}
		}
	})
}

func sameValue(c abi.Cell, want any) bool {
	switch w := want.(type) {
	case int64:
		return c.Type() == abi.Integer && c.Int() == w
	case float64:
		return c.Type() == abi.Float && c.Float() == w
	case string:
		return c.Type() == abi.Text && c.Text() == w
	case []byte:
		return c.Type() == abi.Blob && bytes.Equal(c.Bytes(), w)
	}
	return c.IsNull()
}

func encodeRows(t *testing.T, r abi.Rows) []byte {
	t.Helper()
	var b abi.Batch
	b.Reset(r.Op(), r.Schema(), r.Columns())
	for row := range r.Len() {
		for image := range r.Images() {
			for col := range r.Columns() {
				switch c := r.Cell(row, abi.Image(image), col); c.Type() {
				case abi.Integer:
					b.Int(c.Int())
				case abi.Float:
					b.Float(c.Float())
				case abi.Text:
					b.Text(c.Text())
				case abi.Blob:
					b.Blob(c.Bytes())
				default:
					b.Null()
				}
			}
		}
	}
	if b.Size() > abi.MaxBatch { // cells may share their bytes in what came in, and do not in what goes out
		t.Skip()
	}
	enc, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return enc
}

func sameRows(t *testing.T, a, b abi.Rows) {
	t.Helper()
	if a.Op() != b.Op() || a.Len() != b.Len() || a.Columns() != b.Columns() || a.Images() != b.Images() || a.Schema() != b.Schema() {
		t.Fatal("another header")
	}
	for row := range a.Len() {
		for image := range a.Images() {
			for col := range a.Columns() {
				x, y := a.Cell(row, abi.Image(image), col), b.Cell(row, abi.Image(image), col)
				if x.Type() != y.Type() || x.Int() != y.Int() || math.Float64bits(x.Float()) != math.Float64bits(y.Float()) || x.Text() != y.Text() {
					t.Fatalf("row %d image %d column %d differs", row, image, col)
				}
			}
		}
	}
}

func BenchmarkBatch(b *testing.B) {
	const rows = 1000
	var batch abi.Batch
	dst := make([]byte, 1<<20)
	for b.Loop() {
		batch.Reset(abi.OpInsert, 0, 5)
		for row := range rows {
			batch.Int(int64(row))
			batch.Text("AAPL")
			batch.Int(100)
			batch.Float(12.5)
			batch.Text("buy")
		}
		if _, err := batch.Encode(dst); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}

// TestLongValuesComeBack: a length has four bytes, and each of them counts.
func TestLongValuesComeBack(t *testing.T) {
	t.Parallel()
	sizes := []int{0, 1, 255, 256, 257, 300, 65_535, 65_536, 65_537, 1<<24 + 257}
	var b abi.Batch
	b.Reset(abi.OpInsert, 0, 2)
	for _, n := range sizes {
		v := bytes.Repeat([]byte{byte(n), 'x'}, n/2+1)[:n]
		b.TextBytes(v)
		b.Blob(v)
	}
	enc, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := abi.Decode(enc)
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range sizes {
		want := bytes.Repeat([]byte{byte(n), 'x'}, n/2+1)[:n]
		if got := rows.Cell(i, abi.New, 0); got.Type() != abi.Text || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("a text of %d bytes came back with %d", n, len(got.Bytes()))
		}
		if got := rows.Cell(i, abi.New, 1); got.Type() != abi.Blob || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("a blob of %d bytes came back with %d", n, len(got.Bytes()))
		}
	}
}

// TestOpsOfABatch: each op has so many images, and what is none of them is no batch, for who writes and for who reads.
func TestOpsOfABatch(t *testing.T) {
	t.Parallel()
	var b abi.Batch
	if b.Rows() != 0 {
		t.Error("the zero batch has rows")
	}
	for op := range abi.OpNotify + 2 {
		images := 1
		if op == abi.OpUpdate {
			images = 2
		}
		b.Reset(op, 0, 1)
		for range images {
			b.Int(1)
		}
		good := op >= abi.OpInsert && op <= abi.OpNotify
		enc, err := b.Append(nil)
		if (err == nil) != good || good && b.Rows() != 1 {
			t.Errorf("op %d: %v, %d rows", op, err, b.Rows())
		}
		if good {
			continue
		}
		b.Reset(abi.OpInsert, 0, 1)
		b.Int(1)
		if enc, err = b.Append(nil); err != nil {
			t.Fatal(err)
		}
		enc[24] = byte(op)
		if _, err := abi.Open(enc); err == nil {
			t.Errorf("op %d was read", op)
		}
	}
}
