package diagnose

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/histogram"
	"github.com/tidegate/engine/internal/sidecar"
)

// Schema is what a Shelf needs in its file. Times are seconds since 1970. It holds no bound value and no literal.
func Schema() []string {
	return []string{
		`CREATE TABLE IF NOT EXISTS usual_hour (begun INTEGER PRIMARY KEY, digest TEXT NOT NULL) STRICT`,
		`CREATE TABLE IF NOT EXISTS usual_plan (fingerprint TEXT PRIMARY KEY, steps TEXT NOT NULL, rows INTEGER NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
	}
}

const (
	// shelfPieces is how many hours are stored, and shelfAge how old one may get: what was usual a month ago is not any more.
	shelfPieces, shelfAge = pastPieces, 7 * 24 * time.Hour
	// shelfKinds is how many fingerprints and names of each hour are stored, those that took most time.
	shelfKinds = 100
)

// Shelf keeps what is usual in a file that has the Schema, for the next start. It is safe for concurrent use.
type Shelf struct{ file *sidecar.File }

// NewShelf returns the shelf of a file.
func NewShelf(file *sidecar.File) *Shelf { return &Shelf{file} }

// KnownPlan is the plan that a statement had.
type KnownPlan struct {
	Fingerprint, Steps string
	// Rows is the size of its table.
	Rows int64
	// At is when it was looked at.
	At time.Time
}

// stored is a digest as it is written down.
type stored struct {
	Digest
	Commits []byte
}

// Save writes the latest hours of a memory, and plans.
//
// # Errors
//
// Those of the file.
func (s *Shelf) Save(ctx context.Context, m *Memory, plans []KnownPlan) error {
	hours, err := m.written(2) // those before were written when they ended
	if err != nil {
		return err
	}
	return s.file.Write(ctx, func(c *sqlite.Conn) error {
		for begun, text := range hours {
			if err := sidecar.Run(c, "INSERT OR REPLACE INTO usual_hour (begun, digest) VALUES (?, ?)", begun, text); err != nil {
				return err
			}
		}
		if err := sidecar.Run(c, "DELETE FROM usual_hour WHERE begun <= (SELECT begun FROM usual_hour ORDER BY begun DESC LIMIT 1 OFFSET ?)", int64(shelfPieces)); err != nil {
			return err
		}
		if err := sidecar.Run(c, "DELETE FROM usual_plan"); err != nil {
			return err
		}
		for _, p := range plans {
			if err := sidecar.Run(c, "INSERT OR REPLACE INTO usual_plan (fingerprint, steps, rows, at) VALUES (?, ?, ?, ?)", p.Fingerprint, p.Steps, p.Rows, p.At.Unix()); err != nil {
				return err
			}
		}
		return nil
	})
}

// Load fills an empty memory with what was usual before now, and returns the plans that were known.
//
// # Errors
//
// Those of the file, and of one that holds something else than was written.
func (s *Shelf) Load(ctx context.Context, m *Memory, now time.Time) (plans []KnownPlan, err error) {
	var hours []*Digest
	err = s.file.Read(ctx, func(c *sqlite.Conn) error {
		err := sidecar.Each(c, "SELECT digest FROM usual_hour WHERE begun > ? AND begun <= ? ORDER BY begun", []any{now.Add(-shelfAge).Unix(), now.Unix()}, func(v []sqlite.Value) error {
			d, err := read(v[0].Bytes)
			hours = append(hours, d)
			return err
		})
		if err != nil {
			return err
		}
		return sidecar.Each(c, "SELECT fingerprint, steps, rows, at FROM usual_plan WHERE at > ?", []any{now.Add(-shelfAge).Unix()}, func(v []sqlite.Value) error {
			plans = append(plans, KnownPlan{string(v[0].Bytes), string(v[1].Bytes), v[2].Int, time.Unix(v[3].Int, 0)})
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.past = append(hours, m.past...)
	m.past = m.past[max(0, len(m.past)-pastPieces):]
	return plans, nil
}

func read(text []byte) (*Digest, error) {
	var s stored
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("an hour of what is usual: %w", err)
	}
	var err error
	if s.Digest.Commits, err = histogram.Decode(s.Commits); err != nil {
		return nil, fmt.Errorf("an hour of what is usual: %w", err)
	}
	return &s.Digest, nil
}

// written are the latest n hours of the memory as they are stored, by their begin.
func (m *Memory) written(n int) (map[int64]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[int64]string{}
	for _, d := range m.past[max(0, len(m.past)-n):] {
		s := stored{*d, d.Commits.AppendTo(nil)}
		s.Statements, s.Holds = heaviest(d.Statements, func(w Work) float64 { return float64(w.Took) }), heaviest(d.Holds, func(h Hold) float64 { return float64(h.Held) })
		text, err := json.Marshal(s)
		if err != nil {
			return nil, err
		}
		out[d.Begun.Unix()] = string(text)
	}
	return out, nil
}

// heaviest is the part of a map that is stored.
func heaviest[V any](m map[string]V, weight func(V) float64) map[string]V {
	if len(m) <= shelfKinds {
		return m
	}
	out := maps.Clone(m)
	for _, k := range slices.Clone(ranked(m, weight))[shelfKinds:] {
		delete(out, k)
	}
	return out
}

// Settle puts everything to what is usual, for the last Save of a process.
func (m *Memory) Settle() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.recent {
		m.settle(d)
	}
	m.recent = nil
}
