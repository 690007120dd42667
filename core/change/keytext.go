package change

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/tidegate/engine/core/sqlite"
)

// Keys says what is told of the key of a row, in errors, logs, stored verdicts and over HTTP: a key of text is a value of the user's, and may be one that nobody else
// is to see.
type Keys uint8

// The ways.
const (
	// KeysFull tells the key. It is the zero value.
	KeysFull Keys = iota
	// KeysHash tells numbers, and of texts and blobs "#" and the first 8 bytes of their SHA-256: who knows a key finds its verdicts, and who can guess it, too.
	KeysHash
	// KeysNone tells nothing.
	KeysNone
)

// hidden is what is told of a value instead of it.
func hidden(v *sqlite.Value) string {
	if v.Type != sqlite.Text && v.Type != sqlite.Blob {
		return keyText(v)
	}
	sum := sha256.Sum256(v.Bytes)
	return "#" + hex.EncodeToString(sum[:8])
}
