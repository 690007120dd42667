package hostilefile

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
)

// files are what lies in the folder before the engine looks at it. nil: not there.
type files struct {
	what                  string
	db, wal, shm, journal []byte
}

// pageDamage puts random bytes into one page, in one of several ways.
func pageDamage(rng *rand.Rand, i *image, page int) files {
	f := files{db: bytes.Clone(i.db)}
	size := i.pageSize()
	p := f.db[page*size : (page+1)*size]
	head := 0
	if page == 0 {
		head = 100
	}
	switch rng.IntN(8) {
	case 0:
		f.what = "all of it"
		fill(rng, p[head:])
	case 1:
		f.what = "a few bytes"
		for range 1 + rng.IntN(8) {
			p[rng.IntN(len(p))] = byte(rng.UintN(256))
		}
	case 2:
		f.what = "its head"
		fill(rng, p[head:head+12])
	case 3:
		f.what = "a pointer to a cell"
		at := head + 8 + rng.IntN(40)
		binary.BigEndian.PutUint16(p[at:], uint16(rng.UintN(65536)))
	case 4:
		f.what = "nothing but zeroes"
		clear(p[head:])
	case 5:
		f.what = "another page"
		other := rng.IntN(i.pages())
		copy(p[head:], f.db[other*size+head:(other+1)*size])
	case 6:
		f.what = "a page number"
		binary.BigEndian.PutUint32(p[rng.IntN(len(p)-4):], rng.Uint32N(uint32(i.pages())+2))
	default:
		f.what = "another kind of page"
		p[head] = []byte{0, 1, 2, 5, 10, 13, 255}[rng.IntN(7)]
	}
	return f
}

func fill(rng *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(rng.UintN(256))
	}
}

// headerDamage forges the hundred bytes at the beginning.
func headerDamage(rng *rand.Rand, i *image) files {
	f := files{db: bytes.Clone(i.db)}
	switch rng.IntN(8) {
	case 0:
		f.what = "page size"
		binary.BigEndian.PutUint16(f.db[16:], []uint16{0, 1, 2, 256, 511, 512, 513, 1024, 4096, 32768, 65535}[rng.IntN(11)])
	case 1:
		f.what = "reserved bytes"
		f.db[20] = byte(rng.UintN(256))
	case 2:
		f.what = "payload fractions"
		fill(rng, f.db[21:24])
	case 3:
		f.what = "size in pages"
		binary.BigEndian.PutUint32(f.db[28:], []uint32{0, 1, 2, 1 << 31, 1<<32 - 1}[rng.IntN(5)])
	case 4:
		f.what = "freelist"
		binary.BigEndian.PutUint32(f.db[32:], rng.Uint32N(uint32(i.pages())+3))
		binary.BigEndian.PutUint32(f.db[36:], rng.Uint32())
	case 5:
		f.what = "schema cookie, format, encoding"
		fill(rng, f.db[40:60])
	case 6:
		f.what = "file format versions"
		f.db[18], f.db[19] = byte(rng.UintN(4)), byte(rng.UintN(4))
	default:
		f.what = "anything in the header"
		fill(rng, f.db[16+rng.IntN(84):100])
	}
	return f
}

// lengthDamage cuts the file off, or makes it longer.
func lengthDamage(rng *rand.Rand, i *image) files {
	switch rng.IntN(4) {
	case 0:
		return files{what: "cut off inside a page", db: bytes.Clone(i.db[:rng.IntN(len(i.db))])}
	case 1:
		return files{what: "cut off at a page", db: bytes.Clone(i.db[:rng.IntN(i.pages())*i.pageSize()])}
	case 2:
		tail := make([]byte, rng.IntN(3*i.pageSize()))
		fill(rng, tail)
		return files{what: "something behind its end", db: append(bytes.Clone(i.db), tail...)}
	default:
		return files{what: "cut off near its beginning", db: bytes.Clone(i.db[:rng.IntN(200)])}
	}
}

// besideDamage puts wrong files beside a sound database.
func besideDamage(rng *rand.Rand, i, other *image) files {
	f := files{db: bytes.Clone(i.db)}
	noise := make([]byte, 1+rng.IntN(100_000))
	fill(rng, noise)
	wal := other.wal
	if i.wal != nil {
		wal = i.wal
	}
	switch rng.IntN(9) {
	case 0:
		f.what, f.wal = "noise as -wal", noise
	case 1:
		f.what, f.wal = "a -wal whose frames are noise", bytes.Clone(wal)
		fill(rng, f.wal[32+rng.IntN(len(f.wal)-32):])
	case 2:
		f.what, f.wal = "a -wal with a wrong head", bytes.Clone(wal)
		fill(rng, f.wal[rng.IntN(24):32])
	case 3:
		f.what, f.wal = "the -wal of another database", bytes.Clone(other.wal)
	case 4:
		f.what, f.wal = "a -wal that was cut off", bytes.Clone(wal[:rng.IntN(len(wal))])
	case 5:
		f.what, f.shm, f.wal = "noise as -shm", noise, bytes.Clone(wal)
	case 6:
		f.what, f.journal = "noise as -journal", noise
	case 7:
		f.what, f.journal = "a forged -journal", append([]byte("\xd9\xd5\x05\xf9\x20\xa1\x63\xd7\xff\xff\xff\xff"), noise...)
	default:
		f.what, f.wal = "a forged -wal", forgedWAL(rng, i)
	}
	return f
}

// forgedWAL has right checksums and wrong pages: whoever can write beside the database can do that.
func forgedWAL(rng *rand.Rand, i *image) []byte {
	size := i.pageSize()
	w := make([]byte, 32, 32+6*(24+size))
	binary.BigEndian.PutUint32(w[0:], 0x377f0683) // sums in big endian
	binary.BigEndian.PutUint32(w[4:], 3007000)
	binary.BigEndian.PutUint32(w[8:], uint32(size))
	fill(rng, w[16:24])
	s0, s1 := sums(0, 0, w[:24])
	binary.BigEndian.PutUint32(w[24:], s0)
	binary.BigEndian.PutUint32(w[28:], s1)
	for n := range 1 + rng.IntN(5) {
		frame := make([]byte, 24+size)
		binary.BigEndian.PutUint32(frame[0:], 1+rng.Uint32N(uint32(i.pages())+2))
		if n%2 == 0 {
			binary.BigEndian.PutUint32(frame[4:], rng.Uint32N(uint32(i.pages())*2))
		}
		copy(frame[8:16], w[16:24])
		page := frame[24:]
		from := rng.IntN(i.pages())
		copy(page, i.db[from*size:(from+1)*size])
		fill(rng, page[rng.IntN(size):])
		s0, s1 = sums(s0, s1, frame[:8])
		s0, s1 = sums(s0, s1, page)
		binary.BigEndian.PutUint32(frame[16:], s0)
		binary.BigEndian.PutUint32(frame[20:], s1)
		w = append(w, frame...)
	}
	return w
}

func sums(s0, s1 uint32, b []byte) (uint32, uint32) {
	for k := 0; k+8 <= len(b); k += 8 {
		s0 += binary.BigEndian.Uint32(b[k:]) + s1
		s1 += binary.BigEndian.Uint32(b[k+4:]) + s0
	}
	return s0, s1
}

// schemaDamage changes words of the schema's own SQL to words of the same length.
func schemaDamage(rng *rand.Rand, i *image) files {
	f := files{db: bytes.Clone(i.db), what: "the schema's text"}
	words := []string{"CREATE", "TABLE", "INTEGER", "PRIMARY", "SELECT", "INSERT", "UPDATE", "length", "plain", "worid", "AFTER", "WITHOUT", "ROWID", "STORED", "REFERENCES", "fts5", "rtree", "DEFAULT", "CHECK", "trading"}
	for range 1 + rng.IntN(4) {
		from, to := words[rng.IntN(len(words))], words[rng.IntN(len(words))]
		at := bytes.Index(f.db[100:], []byte(from))
		if at < 0 {
			continue
		}
		switch rng.IntN(3) {
		case 0:
			copy(f.db[100+at:], strings.Repeat(to, 3)[:len(from)])
		case 1:
			fill(rng, f.db[100+at:100+at+len(from)])
		default:
			copy(f.db[100+at:], strings.Repeat("(", len(from)))
		}
	}
	return f
}
