package kills

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk"
	"github.com/tidegate/engine/internal/failpoint"
	"github.com/tidegate/engine/internal/torture"
	"github.com/tidegate/engine/migrations"
)

// rotation is after how many kills a new database is begun: its books are proven after every kill, which takes longer as they grow.
const rotation = 20

// desk kills the trading program.
func (c *campaign) desk(ctx context.Context, n share) error {
	all := c.bouts(n)
	rng := c.env.Rand(2)
	var d *trading
	for i, b := range all {
		if i%rotation == 0 {
			if d != nil {
				c.booked += d.booked
				if err := os.RemoveAll(filepath.Dir(d.path)); err != nil {
					return err
				}
			}
			d = &trading{c: c, path: c.path(fmt.Sprintf("desk%d", i/rotation), "desk.db"), ledger: c.path(fmt.Sprintf("desk%d", i/rotation), "ids")}
			if err := os.Mkdir(filepath.Dir(d.path), 0o700); err != nil {
				return err
			}
		}
		d.seed = c.env.Seed + uint64(i)
		nth, further := 1, 1
		if b.place.most > 0 {
			nth = 1 + rng.IntN(b.place.most)
		}
		if b.open.most > 0 {
			further = 1 + rng.IntN(b.open.most)
		}
		trades, moment := 20+rng.IntN(400), time.Duration(rng.IntN(20_000))*time.Microsecond
		if err := d.bout(ctx, b, nth, further, trades, moment); err != nil {
			return fmt.Errorf("kill %d (%s:%d, then %s:%d): %w", i+1, name(b.place.point), nth, name(b.open.point), further, err)
		}
		if i%10 == 9 {
			c.env.Log("%d of %d kills, %d acknowledged trades, slowest start %v", i+1, len(all), c.trades, c.slowest.Round(time.Millisecond))
		}
	}
	c.booked += d.booked
	return nil
}

func name(p failpoint.Point) string {
	if p == "" {
		return "random"
	}
	return string(p)
}

// trading is one database and the ledger of its acknowledged trades.
type trading struct {
	c            *campaign
	path, ledger string
	seed         uint64
	known        int // acknowledged trades so far
	booked       int // trades so far
}

func (d *trading) program(binary string, duration time.Duration) *exec.Cmd {
	return exec.Command(binary, "demo", "--db", "sqlite:///"+filepath.ToSlash(d.path), "--ledger", d.ledger, "--sessions", "100",
		"--duration", duration.String(), "--seed", strconv.FormatUint(d.seed, 10))
}

// bout is one burst with its kill, perhaps a start with another one, and the proof.
func (d *trading) bout(ctx context.Context, b bout, nth, further, trades int, moment time.Duration) error {
	before, err := lines(d.ledger)
	if err != nil {
		return err
	}
	switch b.place.point {
	case "":
		err = run(ctx, d.program(d.c.bin.shipped, time.Hour), d.after(len(before)+trades, moment))
	case failpoint.LogTruncated: // at the end of the program, or when nothing is to be done
		err = run(ctx, arm(d.program(d.c.bin.armed, 300*time.Millisecond), b.place.point, nth), nil)
	default:
		err = run(ctx, arm(d.program(d.c.bin.armed, time.Hour), b.place.point, nth), nil)
	}
	if err != nil {
		return err
	}
	if b.open.point != "" {
		if err := d.again(ctx, b.open.point, further); err != nil {
			return err
		}
	}
	took, err := d.inspect(ctx)
	if err != nil {
		return err
	}
	d.c.killedAt(name(b.place.point), took)
	return nil
}

// after says when the ledger has that many lines, and some time has passed since.
func (d *trading) after(until int, moment time.Duration) func() (bool, error) {
	var since time.Time
	return func() (bool, error) {
		if since.IsZero() {
			ids, err := lines(d.ledger)
			if err != nil || len(ids) < until {
				return false, err
			}
			since = time.Now()
		}
		return time.Since(since) >= moment, nil
	}
}

// again kills the start that follows a kill. A log with nothing in it is not recovered; then there is no such place to pass.
func (d *trading) again(ctx context.Context, p failpoint.Point, nth int) error {
	switch frames, err := logged(d.path + "-wal"); {
	case err != nil:
		return err
	case p != failpoint.OpenPrepared && frames == 0:
		p, nth = failpoint.OpenPrepared, 1
	default:
		nth = min(nth, max(frames, 1))
	}
	if err := run(ctx, arm(d.program(d.c.bin.armed, time.Hour), p, nth), nil); err != nil {
		return fmt.Errorf("killed once more: %w", err)
	}
	d.c.killedAt(string(p), 0)
	return nil
}

// logged counts the frames of a log that belong to its present life.
func logged(path string) (n int, err error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	const header, frameHeader = 32, 24
	if err != nil || len(content) < header {
		return 0, err
	}
	size := frameHeader + int(binary.BigEndian.Uint32(content[8:]))
	for at := header; at+size <= len(content) && bytes.Equal(content[at+8:at+16], content[16:24]); at += size {
		n++
	}
	return n, nil
}

// inspect opens what the kill left behind. It returns how long it took until a query was answered.
func (d *trading) inspect(ctx context.Context) (took time.Duration, err error) {
	ids, err := lines(d.ledger)
	if err != nil {
		return 0, err
	}
	cfg := engine.DefaultConfig(d.path)
	cfg.Migrations = migrations.FS
	cfg.Logger = quiet()
	began := time.Now()
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var all int
	if err := db.QueryRow(ctx, "SELECT count(*) FROM executions").Scan(&all); err != nil {
		return 0, err
	}
	took = d.c.took(began)
	if err := tooSlow(took); err != nil {
		return took, err
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return took, err
	}
	var found int
	if err := db.QueryRow(ctx, "SELECT count(*) FROM json_each(?1) j JOIN executions x ON x.exec_id = j.value", string(list)).Scan(&found); err != nil {
		return took, err
	}
	d.c.trades += len(ids) - d.known
	d.known, d.booked = len(ids), all
	if found != len(ids) {
		return took, fmt.Errorf("%d of %d acknowledged trades are lost", len(ids)-found, len(ids))
	}
	return took, sound(ctx, db)
}

// sound proves the books and the file.
func sound(ctx context.Context, db *engine.DB) error {
	verdicts, err := desk.Verify(ctx, db)
	if err != nil {
		return err
	}
	for _, v := range verdicts {
		if v.Broken > 0 {
			return fmt.Errorf("%s %s: %d rows, first %s", v.Name, v.Rule, v.Broken, v.Example)
		}
	}
	return torture.Intact(ctx, db)
}
