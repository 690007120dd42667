// Command keyed calls an engine with idempotency keys from many goroutines, on a clock on which ten minutes pass in a moment, so that old keys
// are removed all the time. It goes on until it is killed.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/clock"
	"github.com/tidegate/engine/internal/testdb"
	"github.com/tidegate/engine/internal/torture/kills"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "keyed:", err)
		os.Exit(1)
	}
}

const (
	callers = 20
	spread  = 1_000_000_000 // of the numbers of one caller's calls in one run
)

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("want a database, a ledger and the number of the run")
	}
	round, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	ledger, err := os.OpenFile(args[1], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer ledger.Close()
	fake := clock.NewFake(time.Unix(1_700_000_000, 0).Add(time.Duration(round) * 1000 * time.Hour))
	cfg := engine.DefaultConfig(args[0])
	cfg.Keys.Entries = kills.KeyedKept
	cfg.Logger = slog.New(slog.DiscardHandler)
	db, err := engine.Open(testdb.WithClock(context.Background(), fake), cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx := context.Background()
	if _, err := db.Exec(ctx, kills.KeyedTable); err != nil {
		return err
	}
	failed := make(chan error, callers)
	for caller := range callers {
		go func() { failed <- call(ctx, db, ledger, int64(round*callers+caller)*spread) }()
	}
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-failed:
			return err
		case <-tick.C:
			fake.Advance(10 * time.Minute)
		}
	}
}

// call makes one call after the other.
func call(ctx context.Context, db *engine.DB, ledger *os.File, first int64) error {
	pace := time.NewTicker(10 * time.Millisecond) // keys are removed while nobody waits for the writer
	defer pace.Stop()
	for n := first; ; n++ {
		<-pace.C
		if _, err := db.Exec(ctx, kills.KeyedInsert, n, engine.Key(kills.KeyOf(n))); err != nil {
			if engine.Retryable(err) {
				n--
				continue
			}
			return err
		}
		if _, err := ledger.Write(append(strconv.AppendInt(nil, n, 10), '\n')); err != nil {
			return err
		}
	}
}
