package hostilefile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/tidegate/engine"
)

// notFiles opens what lies where a database should be and is none.
func (l *lab) notFiles(ctx context.Context) (cases int, err error) {
	dir := filepath.Join(l.env.Dir, "places")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, err
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	sound := in("sound.db")
	cfg := configOf(sound)
	cfg.Create = true
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		return 0, err
	}
	if err := db.Close(); err != nil {
		return 0, err
	}
	if err := errors.Join(os.Mkdir(in("folder"), 0o700), os.WriteFile(in("empty"), nil, 0o600), os.WriteFile(in("text"), []byte("not a database, but long enough to have a header of a hundred bytes, "+strings.Repeat("x", 100)), 0o600),
		os.Symlink(in("loop-b"), in("loop-a")), os.Symlink(in("loop-a"), in("loop-b")), os.Symlink(in("nowhere"), in("dangling")), os.Symlink(in("folder"), in("to-folder")), os.Symlink(sound, in("to-sound")),
		os.WriteFile(in("short"), []byte("SQLite format 3\x00"), 0o600)); err != nil {
		return 0, err
	}
	paths := []string{in("folder"), in("folder") + "/", in("empty"), in("text"), in("short"), in("loop-a"), in("dangling"), in("to-folder"), in("to-sound"), in("missing"), in("missing/deeper.db"), in("text/below.db"), in(strings.Repeat("n", 300)),
		in("sound.db\x00"), in("sound.db?mode=memory&cache=shared"), in("%00"), "", " ", "sqlite://", "sqlite:///", "file:", "file:///", "postgres://user:secret@host/db", "/", ".", ".."}
	paths = append(paths, devices(dir)...)
	for _, path := range paths {
		for _, how := range []func(*engine.Config){func(*engine.Config) {}, func(c *engine.Config) { c.ReadOnly = true }, func(c *engine.Config) { c.Create, c.Adopt = true, true }} {
			l.last = fmt.Sprintf("the path %q", strings.TrimPrefix(path, dir))
			cfg := configOf(path)
			how(&cfg)
			cases++
			if err := l.open(ctx, cfg); err != nil {
				return cases, err
			}
		}
	}
	return l.wrongNeighbours(ctx, sound, dir, cases)
}

// wrongNeighbours puts folders, pipes and links where SQLite keeps its log.
func (l *lab) wrongNeighbours(ctx context.Context, sound, dir string, cases int) (int, error) {
	data, err := os.ReadFile(sound)
	if err != nil {
		return cases, err
	}
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		for name, put := range neighbours() {
			for _, readOnly := range []bool{false, true} {
				l.last = fmt.Sprintf("%s as %s, read only: %v", name, suffix, readOnly)
				path := filepath.Join(dir, fmt.Sprintf("beside%d.db", cases))
				if err := errors.Join(os.WriteFile(path, bytes.Clone(data), 0o600), put(path+suffix)); err != nil {
					return cases, err
				}
				cfg := configOf(path)
				cfg.ReadOnly = readOnly
				cases++
				if err := l.open(ctx, cfg); err != nil {
					return cases, err
				}
			}
		}
	}
	return cases, nil
}

// underfoot changes the files of an open database under the feet of the engine.
func (l *lab) underfoot(ctx context.Context, rng *rand.Rand, i *image, n int) error {
	path := filepath.Join(l.env.Dir, fmt.Sprintf("open%d.db", n))
	if err := os.WriteFile(path, i.db, 0o600); err != nil {
		return err
	}
	db, err := engine.Open(ctx, configOf(path))
	if err != nil {
		return err
	}
	if _, err := db.Exec(ctx, "INSERT INTO plain (a, b) VALUES ('x', 1)"); err != nil {
		return errors.Join(err, db.Close())
	}
	noise := make([]byte, 1+rng.IntN(20_000))
	fill(rng, noise)
	suffix := []string{"", "-wal", "-shm"}[rng.IntN(3)]
	var put error
	switch rng.IntN(5) {
	case 0:
		l.last = suffix + " emptied while open"
		put = os.Truncate(path+suffix, 0)
	case 1:
		l.last = suffix + " removed while open"
		put = os.Remove(path + suffix)
	case 2:
		l.last = suffix + " replaced while open"
		put = errors.Join(os.WriteFile(path+".new", noise, 0o600), os.Rename(path+".new", path+suffix))
	case 3:
		l.last = suffix + " cut off while open"
		put = os.Truncate(path+suffix, int64(rng.IntN(5000)))
	default:
		l.last = suffix + " overwritten while open"
		var f *os.File
		if f, put = os.OpenFile(path+suffix, os.O_RDWR, 0); put == nil {
			_, put = f.WriteAt(noise, int64(rng.IntN(8192)))
			put = errors.Join(put, f.Close())
		}
	}
	if put != nil {
		return errors.Join(put, db.Close())
	}
	return errors.Join(l.work(ctx, db), l.call(ctx, "Close", 10*limit, func(context.Context) error { return db.Close() }))
}
