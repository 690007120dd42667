package kills

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/failpoint"
	"github.com/tidegate/engine/internal/torture"
)

// What a call with a key does, in the program keyed and here. No constraint keeps a second application out: only the key does.
const (
	KeyedTable  = "CREATE TABLE IF NOT EXISTS done (call INTEGER NOT NULL) STRICT"
	KeyedInsert = "INSERT INTO done VALUES (?)"
	KeyedKept   = 300 // keys
)

// KeyOf is the key of a call.
func KeyOf(call int64) string { return "call-" + strconv.FormatInt(call, 10) }

// purges kills a program whose old keys are being removed while calls with new ones go on, all in one database. Every acknowledged call was
// applied once, and a repetition of the latest is still known for one.
func (c *campaign) purges(ctx context.Context, n share) error {
	path, ledger := c.path("keyed.db"), c.path("keyed.ids")
	rng := c.env.Rand(4)
	points := []failpoint.Point{failpoint.PurgeUncommitted, failpoint.PurgeCommitted}
	for round := range n.purge {
		for i, p := range points {
			nth := 1 + rng.IntN(6)
			program := exec.Command(c.bin.keyed, path, ledger, strconv.Itoa(round*len(points)+i))
			if err := run(ctx, arm(program, p, nth), nil); err != nil {
				return fmt.Errorf("%s:%d: %w", p, nth, err)
			}
			took, err := c.keyedLeft(ctx, path, ledger)
			if err != nil {
				return fmt.Errorf("%s:%d: %w", p, nth, err)
			}
			c.killedAt(string(p), took)
		}
	}
	return nil
}

func (c *campaign) keyedLeft(ctx context.Context, path, ledger string) (took time.Duration, err error) {
	ids, err := lines(ledger)
	if err != nil {
		return 0, err
	}
	if len(ids) == 0 {
		return 0, errors.New("it was killed before a call was acknowledged: nothing was tried")
	}
	cfg := engine.DefaultConfig(path)
	cfg.Create, cfg.Logger = false, quiet()
	began := time.Now()
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	done := map[int64]int{}
	rows, err := db.Query(ctx, "SELECT call FROM done")
	if err != nil {
		return 0, err
	}
	for row, err := range rows.All() {
		var call int64
		if err == nil {
			err = row.Scan(&call)
		}
		if err != nil {
			return 0, err
		}
		if done[call]++; done[call] > 1 {
			return 0, fmt.Errorf("call %d was applied twice", call)
		}
	}
	took = c.took(began)
	for _, call := range ids {
		if done[call] == 0 {
			return took, fmt.Errorf("call %d was acknowledged and is lost", call)
		}
	}
	c.keys = len(ids)
	latest, known := ids[len(ids)-1], false
	if _, err := db.Exec(ctx, KeyedInsert, latest, engine.Key(KeyOf(latest)), engine.AlreadyApplied(&known)); err != nil {
		return took, err
	}
	if !known {
		return took, fmt.Errorf("the key of call %d, the latest that was acknowledged, is gone: the call was applied again", latest)
	}
	return took, errors.Join(tooSlow(took), torture.Intact(ctx, db))
}
