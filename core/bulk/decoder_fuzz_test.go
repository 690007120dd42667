package bulk_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/bulk"
	"github.com/tidegate/engine/core/sqlite"
)

// decoded is a record whose memory is its own.
type decoded struct {
	cells []bulk.Cell
	names []string
	after bulk.Place
	raw   string
	bad   string
}

// decode reads a whole file, from a place on where to is given.
func decode(format bulk.Format, data []byte, to *bulk.Place) (columns []string, out []decoded, err error) {
	d, err := format.Decoder(bytes.NewReader(data))
	if err != nil {
		return nil, nil, err
	}
	if to != nil {
		if err := d.Seek(*to); err != nil {
			return nil, nil, err
		}
	}
	var rec bulk.Record
	for {
		err := d.Next(&rec)
		if err == io.EOF {
			return d.Columns(), out, nil
		}
		if err != nil {
			return d.Columns(), out, err
		}
		one := decoded{after: rec.After, raw: string(rec.Raw), bad: rec.Bad, names: append([]string(nil), rec.Names...)}
		for _, c := range rec.Cells {
			c.Bytes = append([]byte{}, c.Bytes...)
			one.cells = append(one.cells, c)
		}
		out = append(out, one)
	}
}

// resumed checks that reading can go on from behind any row.
func resumed(t *testing.T, format bulk.Format, data []byte, all []decoded) {
	t.Helper()
	for i := range min(len(all), 20) {
		_, rest, _ := decode(format, data, &all[i].after)
		if len(rest) != len(all)-i-1 || len(rest) > 0 && !reflect.DeepEqual(rest, all[i+1:]) {
			t.Fatalf("behind row %d of %q come %d rows, want %d", i+1, data, len(rest), len(all)-i-1)
		}
	}
}

func FuzzCSV(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "a\r\n\"x\r\ny\"\r\n", "a,b\n\"\"\"q\"\"\",\n,\n", "a\n\n\nx\n", "a,b\n\"open", "a,b\n1,2,3\nq\"q,2\n\"c\"x,1\n", "\ufeffa\n1", "a\n\"\"\n", "a\n\r\n\r", "\"a\nb\",c\n1,\x00\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		columns, rows, err := decode(bulk.CSV{}, data, nil)
		if err != nil {
			if !errors.Is(err, bulk.ErrFormat) {
				t.Fatalf("%v", err)
			}
			return
		}
		last := int64(0)
		clean := true
		for _, r := range rows {
			if r.after.Offset <= last || r.after.Offset > int64(len(data)) || !bytes.Equal(data[r.after.Offset-int64(len(r.raw)):r.after.Offset], []byte(r.raw)) {
				t.Fatalf("row %+v does not stand in the file where it says", r)
			}
			last = r.after.Offset
			clean = clean && (r.bad == "" || strings.Contains(r.bad, "columns")) // the number of values is no matter of the format
		}
		if len(rows) > 0 && len(bytes.TrimRight(data[last:], "\r\n")) != 0 {
			t.Fatalf("%q is left at the end", data[last:])
		}
		resumed(t, bulk.CSV{}, data, rows)
		agree(t, data, columns, rows, clean)
		again(t, columns, rows)
	})
}

// agree compares with encoding/csv, where the two mean the same.
func agree(t *testing.T, data []byte, columns []string, rows []decoded, clean bool) {
	t.Helper()
	if bytes.ContainsRune(data, '\r') || bytes.HasPrefix(data, []byte("\ufeff")) {
		return
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	want, err := r.ReadAll()
	if (err == nil) != clean {
		t.Fatalf("encoding/csv says %v of %q, this package finds it clean: %v", err, data, clean)
	}
	if err != nil {
		return
	}
	var got [][]string
	keep := func(fields []string, quoted bool) {
		if len(fields) != 1 || fields[0] != "" || quoted {
			got = append(got, fields)
		}
	}
	keep(columns, !bytes.HasPrefix(data, []byte("\n")))
	for _, row := range rows {
		var fields []string
		for _, c := range row.cells {
			fields = append(fields, string(c.Bytes))
		}
		keep(fields, row.cells[0].Kind == bulk.CellText)
	}
	if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Fatalf("%q: got %q, encoding/csv %q", data, got, want)
	}
}

// again writes what was read and reads it again.
func again(t *testing.T, columns []string, rows []decoded) {
	t.Helper()
	var out bytes.Buffer
	var kinds []bulk.Column
	for _, name := range columns {
		kinds = append(kinds, bulk.NewColumn(name, "TEXT"))
	}
	enc, err := bulk.CSV{}.Encoder(&out, kinds)
	if err != nil {
		t.Fatal(err)
	}
	var want [][]bulk.Cell
	for _, row := range rows {
		if row.bad != "" {
			continue
		}
		var values []sqlite.Value
		var cells []bulk.Cell
		for _, c := range row.cells {
			v := sqlite.Value{Type: sqlite.Text, Bytes: c.Bytes}
			if c.Kind == bulk.CellNull {
				v = sqlite.Value{}
			}
			values, cells = append(values, v), append(cells, bulk.Cell{Kind: c.Kind, Bytes: c.Bytes})
		}
		if err := enc.Row(values); err != nil {
			t.Fatal(err)
		}
		want = append(want, cells)
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	names, back, err := decode(bulk.CSV{}, out.Bytes(), nil)
	if err != nil || len(back) != len(want) || !reflect.DeepEqual(names, columns) {
		t.Fatalf("written and read again: %d rows of %d, columns %q of %q, %v", len(back), len(want), names, columns, err)
	}
	for i := range want {
		for k := range want[i] {
			got := back[i].cells[k]
			if (got.Kind == bulk.CellNull) != (want[i][k].Kind == bulk.CellNull) || !bytes.Equal(got.Bytes, want[i][k].Bytes) {
				t.Fatalf("row %d: %q came back as %q", i, want[i][k].Bytes, got.Bytes)
			}
		}
	}
}

func FuzzJSONLines(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":"x\u00e9\ud83d\ude80"}`, "{}\n\n{\"a\":null}", `{"a":{"base64":"AA=="},"b":[1,{"c":[]}]}`, `{"a":-0.5e+10,"a":2}`, `{"\u0061":true}`, "[1]", `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", `{"a":01}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, rows, err := decode(bulk.JSONLines{}, data, nil)
		if err != nil {
			t.Fatal(err)
		}
		resumed(t, bulk.JSONLines{}, data, rows)
		for _, r := range rows {
			var want map[string]any
			d := json.NewDecoder(strings.NewReader(r.raw))
			d.UseNumber()
			err := d.Decode(&want)
			if r.bad != "" {
				continue
			}
			if err != nil || !json.Valid([]byte(r.raw)) || len(want) != len(r.names) {
				t.Fatalf("%q was read, encoding/json says %v, %d of %d members", r.raw, err, len(r.names), len(want))
			}
			for i, name := range r.names {
				c := r.cells[i]
				var got any = string(c.Bytes)
				switch c.Kind {
				case bulk.CellNull:
					got = nil
				case bulk.CellBool:
					got = c.Int == 1
				case bulk.CellNumber:
					got = json.Number(c.Bytes)
				case bulk.CellNested, bulk.CellBlob:
					continue
				}
				if w, ok := want[name]; !ok || !reflect.DeepEqual(got, w) {
					t.Fatalf("%q: member %q is %#v, encoding/json says %#v", r.raw, name, got, w)
				}
			}
		}
	})
}

// Numbers are never read as other numbers.
func FuzzNumbers(f *testing.F) {
	for _, s := range []string{"0", "-1", "9223372036854775807", "0.1", "1e22", "1e-324", ".5", "5e-324", "123456789012345678.9", "Infinity", "-0", "00", "1e5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		bulk.CheckNumbers(t, s)
	})
}
