package bulk

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// noScale says that decimals are not to become integers of a smaller unit.
const noScale = -1

// convert makes a cell a value for a column: nil, int64, float64, string or []byte. why says what would be lost; it never
// repeats the value.
func convert(c *Cell, col *Column, scale int) (v any, why string) {
	switch c.Kind {
	case CellNull:
		return nil, ""
	case CellNested:
		return nil, "it is an object or a list: write it as text"
	}
	switch col.Kind {
	case Integer:
		return toInteger(c, scale)
	case Real:
		return toReal(c)
	case Text:
		return toText(c)
	case Blob:
		return toBlob(c)
	case Numeric:
		return toNumeric(c, col.Bool)
	}
	return toAny(c)
}

func toInteger(c *Cell, scale int) (any, string) {
	switch c.Kind {
	case CellBare, CellText, CellNumber:
		if scale != noScale {
			return both(parseScaled(c.Bytes, scale))
		}
		return both(parseInteger(c.Bytes))
	case CellInteger:
		if scale > 0 {
			return both(parseScaled(strconv.AppendInt(nil, c.Int, 10), scale))
		}
		return c.Int, ""
	case CellBool:
		return c.Int, ""
	case CellReal:
		const limit = 1 << 53
		if scale == noScale && c.Float == math.Trunc(c.Float) && math.Abs(c.Float) <= limit {
			return int64(c.Float), ""
		}
		return nil, "it is a binary fraction, and the column takes integers"
	}
	return nil, "it is binary, and the column takes integers"
}

// both makes a value of any type out of one and the reason why there is none.
func both[T any](v T, why string) (any, string) {
	if why != "" {
		return nil, why
	}
	return v, ""
}

func toReal(c *Cell) (any, string) {
	switch c.Kind {
	case CellBare, CellText, CellNumber:
		return both(parseReal(c.Bytes))
	case CellInteger:
		if f := float64(c.Int); f < math.MaxInt64 && int64(f) == c.Int {
			return f, ""
		}
		return nil, "it has more digits than a REAL keeps"
	case CellReal:
		return realCell(c)
	}
	return nil, "it is no number, and the column takes REALs"
}

func realCell(c *Cell) (any, string) {
	if math.IsNaN(c.Float) {
		return nil, "it is not a number (NaN), which SQLite cannot store: leave it empty where there is no value"
	}
	return c.Float, ""
}

func toText(c *Cell) (any, string) {
	switch c.Kind {
	case CellBare, CellText, CellNumber:
		return plainText(c.Bytes)
	case CellInteger:
		return strconv.FormatInt(c.Int, 10), ""
	case CellReal:
		if math.IsNaN(c.Float) {
			return realCell(c)
		}
		return string(appendReal(nil, c.Float)), ""
	case CellBool:
		return nil, "it is true or false, and the column takes text"
	}
	return nil, "it is binary, and the column takes text"
}

func plainText(b []byte) (any, string) {
	if !utf8.Valid(b) {
		return nil, "its text is not UTF-8: convert the file first"
	}
	return string(b), ""
}

func toBlob(c *Cell) (any, string) {
	switch c.Kind {
	case CellBlob:
		return append([]byte{}, c.Bytes...), ""
	case CellBare, CellText:
		out := make([]byte, base64.StdEncoding.DecodedLen(len(c.Bytes)))
		// Strict also refuses bits that the last sign has too many, and the decoder leaves out line ends, which would be lost.
		n, err := base64.StdEncoding.Strict().Decode(out, c.Bytes)
		if err != nil || bytes.ContainsAny(c.Bytes, "\r\n") {
			return nil, "it is not base64, and the column takes blobs"
		}
		return out[:n], ""
	}
	return nil, "it is neither binary nor base64, and the column takes blobs"
}

func toNumeric(c *Cell, boolean bool) (any, string) {
	switch c.Kind {
	case CellBool, CellInteger:
		return c.Int, ""
	case CellReal:
		return realCell(c)
	case CellBlob:
		return nil, "it is binary, and the column takes numbers and text"
	}
	if boolean && c.Kind == CellBare { // in quotes, and in formats that have a true of their own, it is text
		switch strings.ToLower(string(c.Bytes)) {
		case "true":
			return int64(1), ""
		case "false":
			return int64(0), ""
		}
	}
	endless := c.Kind == CellBare && (string(c.Bytes) == infinity || string(c.Bytes) == "-"+infinity)
	if !looksNumeric(c.Bytes) && !endless {
		return plainText(c.Bytes)
	}
	if n, why := parseInteger(c.Bytes); why == "" {
		return n, ""
	}
	f, why := parseReal(c.Bytes)
	if why != "" {
		return nil, why + "; the column's type makes a number of it"
	}
	return f, ""
}

// toAny keeps the difference between 1 and "1", which the format must tell. What it cannot tell is text.
func toAny(c *Cell) (any, string) {
	switch c.Kind {
	case CellInteger, CellBool:
		return c.Int, ""
	case CellReal:
		return realCell(c)
	case CellBlob:
		return append([]byte{}, c.Bytes...), ""
	case CellText:
		return plainText(c.Bytes)
	case CellNumber:
		if n, why := parseInteger(c.Bytes); why == "" {
			return n, ""
		}
		return both(parseReal(c.Bytes))
	}
	if n, why := parseInteger(c.Bytes); why == "" {
		return n, ""
	}
	if f, why := parseReal(c.Bytes); why == "" && string(appendReal(nil, f)) == string(c.Bytes) {
		return f, ""
	}
	if len(c.Bytes) >= 3 && c.Bytes[0] == 'x' && c.Bytes[1] == '\'' && c.Bytes[len(c.Bytes)-1] == '\'' {
		if b, err := hex.DecodeString(string(c.Bytes[2 : len(c.Bytes)-1])); err == nil {
			return b, ""
		}
	}
	return plainText(c.Bytes)
}
