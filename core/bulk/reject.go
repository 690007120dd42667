package bulk

import (
	"encoding/base64"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf8"
)

// RejectFile receives refused rows; *os.File is one. What was written in a transaction that was lost is written again, at the
// same place.
type RejectFile interface {
	io.WriterAt
	io.Seeker
	Truncate(size int64) error
	Sync() error
}

// appendReject writes down a refused row.
func appendReject(out []byte, r *row, why string) []byte {
	out = append(out, '{')
	if r.line > 0 {
		out = append(out, `"line":`...)
		out = append(strconv.AppendInt(out, r.line, 10), ',')
	}
	out = append(out, `"row":`...)
	out = strconv.AppendInt(out, r.after.Rows, 10)
	if r.column != "" {
		out = append(out, `,"column":`...)
		out = appendJSON(out, []byte(r.column))
	}
	out = append(out, `,"reason":`...)
	out = appendJSON(out, []byte(why))
	raw := withoutEnd(r.raw)
	switch {
	case r.raw == nil && r.plan != nil:
		out = append(out, `,"values":`...)
		out = appendValues(out, r)
	case utf8.Valid(raw):
		out = append(out, `,"record":`...)
		out = appendJSON(out, raw)
	default:
		out = append(out, `,"record_base64":`...)
		out = appendJSON(out, base64.StdEncoding.AppendEncode(nil, raw))
	}
	return append(out, '}', '\n')
}

// appendValues writes the values of a row of a format that is no text, under the names that the file gives them.
func appendValues(out []byte, r *row) []byte {
	out = append(out, '{')
	i := 0
	for k, to := range r.plan.to {
		if to < 0 || i >= len(r.args) {
			continue
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendJSON(out, []byte(r.plan.names[k])), ':')
		switch v := r.args[i].(type) {
		case nil:
			out = append(out, "null"...)
		case int64:
			out = strconv.AppendInt(out, v, 10)
		case float64:
			out = appendJSONReal(out, v)
		case string:
			out = appendText(out, []byte(v))
		case []byte:
			out = appendBlob(out, v)
		}
		i++
	}
	return append(out, '}')
}

func appendJSONReal(out []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(out, `"NaN"`...)
	case math.IsInf(f, 0):
		return append(appendReal(append(out, '"'), f), '"')
	}
	return appendReal(out, f)
}

// appendText writes text as JSON where it is Unicode, and like a blob where it is not.
func appendText(out, b []byte) []byte {
	if !utf8.Valid(b) {
		return appendBlob(out, b)
	}
	return appendJSON(out, b)
}

func appendBlob(out, b []byte) []byte {
	out = append(out, `{"`+blobKey+`":"`...)
	return append(base64.StdEncoding.AppendEncode(out, b), '"', '}')
}

// reopenRejects cuts the file of rejects back to what belongs to the recorded progress: what a killed run wrote behind that
// belongs to rows that will be read again.
func (im *importer) reopenRejects() error {
	f := im.opt.Rejects
	if f == nil {
		return nil // what an earlier run wrote stays, and a later one goes on behind it
	}
	if im.kept.rejectsName != im.opt.RejectsName {
		im.kept.rejectsBytes, im.kept.rejectsName = 0, im.opt.RejectsName
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if size < im.kept.rejectsBytes {
		return &ProgressError{im.table.name, fmt.Sprintf("the file of refused rows holds %d bytes, and the earlier run had written %d: name another file "+
			"for the rows that are refused from here on", size, im.kept.rejectsBytes)}
	}
	return f.Truncate(im.kept.rejectsBytes)
}
