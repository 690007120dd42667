package iofault

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/sqlite/plain"
	"github.com/tidegate/engine/internal/faultfs"
	"github.com/tidegate/engine/internal/torture"
)

const ledger = `SELECT json_object('sum', (SELECT sum(balance) FROM accounts),
 'off', (SELECT count(*) FROM accounts a WHERE balance <> 1000 + coalesce((SELECT sum(amount) FROM moves WHERE dst = a.id), 0) - coalesce((SELECT sum(amount) FROM moves WHERE src = a.id), 0)),
 'moves', json((SELECT json_group_array(n) FROM moves)))`

type books struct {
	Sum, Off int
	Moves    []int
}

// verify compares what was answered with what SQLite alone finds.
func (l *life) verify(e *torture.Env, f fault) {
	if b, err := read(filepath.Join(l.dir, fileName)); err != nil {
		l.problem("afterwards: %w", err)
	} else {
		l.compare("afterwards", b, l.acked)
	}
	if f.kind == sqlite.OpSync && f.nth > 0 {
		l.cut(e, f)
	}
}

func (l *life) compare(when string, b books, promised []int) {
	if b.Sum != 3000 || b.Off != 0 {
		l.problem("%s: a part of a move: sum %d, %d accounts off", when, b.Sum, b.Off)
	}
	for _, n := range promised {
		if !has(b.Moves, n) {
			l.problem("%s: move %d was acknowledged and is gone", when, n)
		}
	}
	for _, n := range b.Moves {
		if has(l.refused, n) {
			l.problem("%s: move %d was refused and is there", when, n)
		}
	}
}

// cuts is about how many power cuts follow a failed sync beside those at promises.
const cuts = 20

// cut takes the power away after the failed sync: at each promise, at the end, and here and there in between. What the kernel dropped stays dropped.
func (l *life) cut(e *torture.Env, f fault) {
	var disk faultfs.Disk
	var promised []int
	failed, first := false, 0
	rnd := e.Rand(uint64(f.nth)<<8 | uint64(f.kind))
	events := l.watch.Events()
	for i, ev := range events {
		if ev.Kind == faultfs.SyncFailed && !failed {
			failed, first = true, i
		}
		if ev.Kind != faultfs.Marked {
			disk.Apply(ev)
		}
		if ev.Kind == faultfs.Marked && ev.Mark.Durable {
			promised = append(promised, ev.Mark.N)
		}
		if !failed || ev.Kind != faultfs.Marked && i < len(events)-1 && rnd.IntN(len(events)-first) >= cuts {
			continue
		}
		for _, loss := range []faultfs.Loss{faultfs.LoseAll, faultfs.LoseSome} {
			l.cuts++
			when := fmt.Sprintf("power cut at event %d of %d", i, len(events))
			b, err := l.readImage(disk.Image(loss, rnd))
			if err != nil {
				l.problem("%s: %w", when, err)
				continue
			}
			l.compare(when, b, promised)
		}
	}
}

func (l *life) readImage(image map[string][]byte) (b books, err error) {
	dir := filepath.Join(l.dir, "cut")
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return b, err
	}
	for name, data := range image {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return b, err
		}
	}
	if _, ok := image[fileName]; !ok {
		return books{Sum: 3000}, nil
	}
	return read(filepath.Join(dir, fileName))
}

func read(path string) (b books, err error) {
	db, err := plain.Open(path)
	if err != nil {
		return b, err
	}
	defer db.Close()
	if text, err := db.Text("PRAGMA integrity_check"); err != nil || text != "ok" {
		return b, fmt.Errorf("integrity check: %s %w", text, err)
	}
	tables, err := db.Text("SELECT count(*) FROM sqlite_schema WHERE name IN ('accounts', 'moves')")
	if err != nil || tables == "0" {
		return books{Sum: 3000}, err
	}
	text, err := db.Text(ledger)
	if err != nil {
		return b, err
	}
	return b, json.Unmarshal([]byte(text), &b)
}
