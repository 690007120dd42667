package sqlite

import (
	"encoding/binary"
	"math"
)

// AppendExact writes values so that different ones give different bytes, storage class and every bit of a float included: for hashes of rows.
func AppendExact(b []byte, values []Value) []byte {
	for i := range values {
		v := &values[i]
		b = append(b, byte(v.Type))
		switch v.Type {
		case Integer:
			b = binary.LittleEndian.AppendUint64(b, uint64(v.Int))
		case Float:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v.Float))
		case Text, Blob:
			b = binary.LittleEndian.AppendUint64(b, uint64(len(v.Bytes)))
			b = append(b, v.Bytes...)
		}
	}
	return b
}
