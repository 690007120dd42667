package slowlog

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sidecar"
)

const (
	// kept is how many entries a file keeps, remembered how many are kept in memory where there is no file.
	kept       = 5000
	remembered = 500
	sweepEvery = 100
)

// Schema is what a Shelf needs in its file.
func Schema() []string {
	return []string{
		`CREATE TABLE IF NOT EXISTS slow (id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, fingerprint TEXT NOT NULL, reasons TEXT NOT NULL, class TEXT NOT NULL,
  summary TEXT NOT NULL, text TEXT NOT NULL, duration_us INTEGER NOT NULL, entry TEXT NOT NULL) STRICT`,
		`CREATE INDEX IF NOT EXISTS slow_fingerprint ON slow (fingerprint)`,
	}
}

// Shelf keeps entries, in a file that has the Schema or in memory. It is safe for concurrent use.
type Shelf struct {
	file *sidecar.File // nil: in memory

	mu     sync.Mutex
	memory []Entry // oldest first
	seq    int64
}

// NewShelf returns a shelf; file may be nil.
func NewShelf(file *sidecar.File) *Shelf { return &Shelf{file: file} }

// Keep stores an entry under a number of its own. The oldest go when there are too many.
func (s *Shelf) Keep(ctx context.Context, e Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	if s.file == nil {
		e.ID = s.seq
		s.memory = append(s.memory, e)
		if n := len(s.memory) - remembered; n > 0 {
			s.memory = slices.Delete(s.memory, 0, n)
		}
		return nil
	}
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	reasons, err := json.Marshal(e.Reasons)
	if err != nil {
		return err
	}
	return s.file.Write(ctx, func(c *sqlite.Conn) error {
		err := sidecar.Run(c, "INSERT INTO slow (at_ms, fingerprint, reasons, class, summary, text, duration_us, entry) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			e.At.UnixMilli(), e.Fingerprint, string(reasons), e.Class, e.Summary, e.Text, e.Duration.Microseconds(), string(text))
		if err == nil && s.seq%sweepEvery == 1 { // with the first one, too: a process that writes few must not leave them to nobody
			err = sidecar.Run(c, "DELETE FROM slow WHERE id <= (SELECT max(id) FROM slow) - ?", kept)
		}
		return err
	})
}

// Filter says which entries are wanted. Zero fields want all.
type Filter struct {
	ID          int64
	Fingerprint string
	Since       time.Time
	// Limit is how many at most; 0 is 100.
	Limit int
}

// List returns entries, newest first.
func (s *Shelf) List(ctx context.Context, f Filter) ([]Entry, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	if s.file != nil {
		return list(ctx, s.file, f)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Entry{}
	for i := len(s.memory) - 1; i >= 0 && len(out) < f.Limit; i-- {
		e := s.memory[i]
		if (f.ID == 0 || e.ID == f.ID) && (f.Fingerprint == "" || e.Fingerprint == f.Fingerprint) && !e.At.Before(f.Since) {
			out = append(out, e)
		}
	}
	return out, nil
}

func list(ctx context.Context, file *sidecar.File, f Filter) ([]Entry, error) {
	out := []Entry{}
	err := file.Read(ctx, func(c *sqlite.Conn) error {
		sql := "SELECT id, entry FROM slow WHERE (?1 = 0 OR id = ?1) AND (?2 = '' OR fingerprint = ?2) AND at_ms >= ?3 ORDER BY id DESC LIMIT ?4"
		since := int64(0)
		if !f.Since.IsZero() {
			since = f.Since.UnixMilli()
		}
		return sidecar.Each(c, sql, []any{f.ID, f.Fingerprint, since, f.Limit}, func(v []sqlite.Value) error {
			var e Entry
			if err := json.Unmarshal(v[1].Bytes, &e); err != nil {
				return err
			}
			e.ID = v[0].Int
			out = append(out, e)
			return nil
		})
	})
	return out, err
}
