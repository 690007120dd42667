package convert

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"unicode/utf8"

	"github.com/tidegate/engine/core/sqlite"
)

// textMapping makes text: of a number its shortest form, of bytes what they say when they are UTF-8. json lets nothing pass that is not JSON.
func textMapping(codec string, args []argument, from, to affinity) (mapping, string) {
	if reason := noArguments(codec, args); reason != "" {
		return mapping{}, reason
	}
	check := func(v sqlite.Value) (sqlite.Value, string) {
		if codec == "json" && !json.Valid(v.Bytes) {
			return lost("it is no JSON")
		}
		return v, ""
	}
	store := func(v sqlite.Value) (sqlite.Value, string) {
		out, reason := storeText(v)
		if reason != "" {
			return lost(reason)
		}
		return check(out)
	}
	write := func(v sqlite.Value) (sqlite.Value, string) { return writeText(v, from) }
	switch {
	case to == asText:
		return mapping{store, write}, ""
	case from == asText && to == asBlob:
		return mapping{func(v sqlite.Value) (sqlite.Value, string) {
			out, reason := store(v)
			return blobBytes(out.Bytes), reason
		}, store}, ""
	}
	return unsupported(codec, from, to)
}

func storeText(v sqlite.Value) (sqlite.Value, string) {
	switch v.Type {
	case sqlite.Integer:
		return writeInteger(asText)(v)
	case sqlite.Float:
		return writeReal(asText)(v)
	case sqlite.Blob:
		if !utf8.Valid(v.Bytes) {
			return lost("it is no UTF-8")
		}
		return textBytes(v.Bytes), ""
	}
	return v, ""
}

func writeText(v sqlite.Value, from affinity) (sqlite.Value, string) {
	switch {
	case v.Type != sqlite.Text:
		return wrongClass(v, "text")
	case from == asInteger:
		return storeInteger(v)
	case from == asReal:
		return storeReal(v)
	case from == asBlob:
		return blobBytes(v.Bytes), ""
	}
	return v, ""
}

// blobMapping makes bytes of text: as it stands (blob), or of a notation (hex, base64, uuid).
func blobMapping(codec string, args []argument, from, to affinity) (mapping, string) {
	if reason := noArguments(codec, args); reason != "" {
		return mapping{}, reason
	}
	n := notation{codec}
	switch {
	case from == asText && to == asBlob:
		return mapping{n.store, n.write}, ""
	case from == asBlob && to == asText:
		return mapping{n.write, n.store}, ""
	}
	return unsupported(codec, from, to)
}

// notation is a way to write bytes as text.
type notation struct{ name string }

func (n notation) store(v sqlite.Value) (sqlite.Value, string) {
	if v.Type != sqlite.Text {
		return wrongClass(v, n.name)
	}
	s := string(v.Bytes)
	var b []byte
	var err error
	switch n.name {
	case "blob":
		return blobBytes(v.Bytes), ""
	case "base64":
		b, err = base64.StdEncoding.Strict().DecodeString(s)
	case "uuid":
		if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
			return lost("it is no uuid")
		}
		b, err = hex.DecodeString(s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:])
	default:
		b, err = hex.DecodeString(s)
	}
	if err != nil {
		return lost("it is no " + n.name)
	}
	return blobBytes(b), ""
}

func (n notation) write(v sqlite.Value) (sqlite.Value, string) {
	if v.Type != sqlite.Blob {
		return wrongClass(v, n.name)
	}
	switch n.name {
	case "blob":
		return textBytes(v.Bytes), ""
	case "base64":
		return textValue(base64.StdEncoding.EncodeToString(v.Bytes)), ""
	case "uuid":
		if len(v.Bytes) != 16 {
			return lost("a uuid has 16 bytes")
		}
		h := hex.EncodeToString(v.Bytes)
		return textValue(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]), ""
	}
	return textValue(hex.EncodeToString(v.Bytes)), ""
}
