package bulk

import (
	"bufio"
	"errors"
	"io"
)

// maxRecord bounds one row of a text file, in bytes: an unclosed quote must not read the rest of the file into memory.
const maxRecord = 64 << 20

// source reads the lines of a text file and knows where it is.
type source struct {
	from  io.Reader
	start int64 // of the file in from, where that can seek
	r     *bufio.Reader
	at    Place
	raw   []byte // of the current row
	limit int
}

// bom is the byte order mark that some programs put ahead of UTF-8.
const bom = "\xef\xbb\xbf"

func newSource(r io.Reader) (*source, error) {
	s := &source{from: r, r: bufio.NewReaderSize(r, 64<<10), limit: maxRecord}
	if seeker, ok := r.(io.Seeker); ok {
		if at, err := seeker.Seek(0, io.SeekCurrent); err == nil {
			s.start = at
		}
	}
	if head, err := s.r.Peek(len(bom)); err == nil && string(head) == bom {
		n, err := s.r.Discard(len(bom))
		s.at.Offset = int64(n)
		return s, err
	}
	return s, nil
}

// line appends the next line, with its end, to raw and returns where it begins in it. io.EOF comes with an empty line.
func (s *source) line(format string) (from int, err error) {
	from = len(s.raw)
	for {
		part, err := s.r.ReadSlice('\n')
		s.raw = append(s.raw, part...)
		s.at.Offset += int64(len(part))
		if len(s.raw) > s.limit {
			return from, &FormatError{Format: format, Line: s.at.Line + 1,
				Why: "a row is longer than 64 MiB; is there a quotation mark without its other one?"}
		}
		switch {
		case err == nil:
			s.at.Line++
			return from, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			if len(s.raw) > from {
				s.at.Line++
				return from, nil
			}
			return from, io.EOF
		default:
			return from, &FormatError{Format: format, Line: s.at.Line + 1, Why: "cannot be read", Cause: err}
		}
	}
}

// begin forgets the row before.
func (s *source) begin() {
	if cap(s.raw) > 1<<20 {
		s.raw = nil // a few large rows must not keep their memory for ever
	}
	s.raw = s.raw[:0]
}

// seek goes on at a place, forwards by reading where the file cannot seek.
func (s *source) seek(format string, to Place) error {
	fail := func(err error) error {
		return &FormatError{Format: format, Why: "the place where the earlier import stopped cannot be found again", Cause: err}
	}
	if seeker, ok := s.from.(io.Seeker); ok {
		if _, err := seeker.Seek(s.start+to.Offset, io.SeekStart); err == nil {
			s.r.Reset(s.from)
			s.at = to
			return nil
		}
	}
	if to.Offset < s.at.Offset {
		return fail(errors.New("the file cannot be read backwards"))
	}
	if _, err := io.CopyN(io.Discard, s.r, to.Offset-s.at.Offset); err != nil {
		return fail(err)
	}
	s.at = to
	return nil
}

// withoutEnd is the line without its line end.
func withoutEnd(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
		if n > 1 && line[n-2] == '\r' {
			line = line[:n-2]
		}
	}
	return line
}
