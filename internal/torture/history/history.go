// Package history records what a hundred sessions of a bank saw, and looks for an order in which one session after the other would have seen
// the same (P14). That is strict serialisability: the order must also agree with the clock. Such a search is exponential in general. Here every
// transaction reads the number of those before it, so there is but one order that can be right, and it is enough to try that one.
package history

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/torture"
)

const (
	sessions = 110
	accounts = 6
	opening  = 1000
)

// Scenario is the bank.
func Scenario() torture.Scenario {
	return torture.Scenario{Name: "bank-history", Promise: "P14", Run: Run,
		About: "110 sessions move money and read all accounts; an order of them all must explain what each saw, and forged histories must have none"}
}

// balances are all accounts, and the number of transactions that made them so.
type balances struct {
	version int64
	of      [accounts]int64
}

// transfer moves an amount; a look reads everything.
type transfer struct{ from, to, amount int64 }
type look struct{}

// operation is one transaction as its session saw it.
type operation struct {
	input     any // a transfer or a look
	saw       balances
	call, ret int64 // by one clock
}

// explain returns nil where the history has an order that explains it, and else what stands against the only one that could.
func explain(history []operation) error {
	ops := slices.Clone(history)
	moves := func(o operation) int {
		if _, ok := o.input.(transfer); ok {
			return 0
		}
		return 1 // a look sees what the transfer of its version has left
	}
	slices.SortStableFunc(ops, func(a, b operation) int {
		return cmp.Or(cmp.Compare(a.saw.version, b.saw.version), cmp.Compare(moves(a), moves(b)), cmp.Compare(a.call, b.call))
	})
	var bank balances
	for i := range bank.of {
		bank.of[i] = opening
	}
	latest := int64(-1) // call of all that come before
	for n, o := range ops {
		if t, ok := o.input.(transfer); ok {
			bank.version++
			bank.of[t.from] -= t.amount
			bank.of[t.to] += t.amount
		}
		if o.saw != bank {
			return fmt.Errorf("place %d: %T saw %v where the order leaves %v", n, o.input, o.saw, bank)
		}
		if o.ret < latest {
			return fmt.Errorf("place %d: %T of version %d had ended before one ahead of it began", n, o.input, o.saw.version)
		}
		latest = max(latest, o.call)
	}
	return nil
}

type bank struct {
	db    *engine.DB
	sql   *sql.DB
	epoch time.Time

	mu  sync.Mutex
	ops []operation
	err error
}

// Run is the scenario.
func Run(ctx context.Context, e *torture.Env) (result torture.Result, err error) {
	for round := range torture.Pick(e.Scale, 1, 40) {
		ops, err := record(ctx, e, round)
		if err != nil {
			return result, err
		}
		if err := explain(ops); err != nil {
			return result, fmt.Errorf("round %d: no order explains what %d transactions saw: %w", round, len(ops), err)
		}
		result.Cases += len(ops)
		for n, forge := range forgeries() {
			forged := slices.Clone(ops)
			if forge(e.Rand(uint64(round*100+n)), forged) < 0 {
				return result, fmt.Errorf("round %d: the history has nothing to forge", round)
			}
			if explain(forged) == nil {
				return result, fmt.Errorf("round %d: forgery %d is believed: the check has no teeth", round, n)
			}
			result.Cases++
		}
	}
	result.Count("anomalies", 0)
	result.Count("forgeries_found", torture.Pick(e.Scale, 1, 40)*len(forgeries()))
	return result, nil
}

func record(ctx context.Context, e *torture.Env, round int) (_ []operation, err error) {
	cfg := engine.DefaultConfig(filepath.Join(e.Dir, fmt.Sprintf("bank%d.db", round)))
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Writer.Hold, cfg.Writer.QueueTimeout, cfg.Readers.QueueTimeout = time.Minute, time.Minute, time.Minute // a slow machine is no anomaly
	b := &bank{epoch: time.Now()}
	if b.db, err = engine.Open(ctx, cfg); err != nil {
		return nil, err
	}
	b.sql = b.db.SQL()
	defer func() { err = errors.Join(err, b.sql.Close(), b.db.Close()) }()
	batch := engine.NewBatch()
	batch.Exec("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL) STRICT")
	batch.Exec("CREATE TABLE version (n INTEGER NOT NULL) STRICT")
	batch.Exec("INSERT INTO version VALUES (0)")
	for i := range accounts {
		batch.Exec("INSERT INTO account VALUES (?, ?)", i, opening)
	}
	if _, err := b.db.Batch(ctx, batch); err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	for i := range sessions {
		rng := e.Rand(uint64(round)<<32 | uint64(i))
		wg.Go(func() {
			for range 8 {
				b.once(ctx, rng)
			}
		})
	}
	wg.Wait()
	return b.ops, b.err
}

// once makes one transaction and writes down what it saw.
func (b *bank) once(ctx context.Context, rng *rand.Rand) {
	move := transfer{from: rng.Int64N(accounts), to: rng.Int64N(accounts), amount: 1 + rng.Int64N(20)}
	op := operation{input: move, call: int64(time.Since(b.epoch))}
	var saw balances
	var err error
	switch rng.IntN(6) {
	case 0, 1:
		op.input = look{}
		saw, err = b.view(ctx)
	case 2:
		saw, err = b.overSQL(ctx, move)
	case 3: // what is rolled back is in no history
		_, err = b.update(ctx, move, true)
		if errors.Is(err, errUndo) {
			return
		}
		err = fmt.Errorf("an undone transfer ended with %w", err)
	case 4:
		saw, err = b.update(ctx, move, false, engine.WithDurability(engine.Relaxed))
	default:
		saw, err = b.update(ctx, move, false)
	}
	op.saw, op.ret = saw, int64(time.Since(b.epoch))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ops, b.err = append(b.ops, op), errors.Join(b.err, err)
}

var errUndo = errors.New("history: undo")

const (
	moveSQL    = "UPDATE account SET balance = balance + ? WHERE id = ?"
	versionSQL = "UPDATE version SET n = n + 1"
	sumsSQL    = "SELECT id, balance, (SELECT n FROM version) FROM account ORDER BY id"
)

func (b *bank) update(ctx context.Context, t transfer, undo bool, opts ...engine.Option) (saw balances, err error) {
	err = b.db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
		if _, err := tx.Exec(ctx, moveSQL, -t.amount, t.from); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, versionSQL); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, moveSQL, t.amount, t.to); err != nil {
			return err
		}
		if undo {
			return errUndo
		}
		return read(ctx, tx, &saw)
	}, opts...)
	return saw, err
}

func read(ctx context.Context, tx *engine.Tx, saw *balances) error {
	for i := range saw.of { // one statement each: it is the transaction that has to make them one
		if err := tx.QueryRow(ctx, "SELECT balance FROM account WHERE id = ?", i).Scan(&saw.of[i]); err != nil {
			return err
		}
	}
	return tx.QueryRow(ctx, "SELECT n FROM version").Scan(&saw.version)
}

func (b *bank) view(ctx context.Context) (saw balances, err error) {
	err = b.db.View(ctx, func(ctx context.Context, tx *engine.Tx) error { return read(ctx, tx, &saw) })
	return saw, err
}

// overSQL is the transfer through database/sql.
func (b *bank) overSQL(ctx context.Context, t transfer) (saw balances, err error) {
	tx, err := b.sql.BeginTx(ctx, nil)
	if err != nil {
		return saw, err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, moveSQL, -t.amount, t.from); err != nil {
		return saw, err
	}
	if _, err := tx.ExecContext(ctx, moveSQL, t.amount, t.to); err != nil {
		return saw, err
	}
	if _, err := tx.ExecContext(ctx, versionSQL); err != nil {
		return saw, err
	}
	rows, err := tx.QueryContext(ctx, sumsSQL)
	if err != nil {
		return saw, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, balance int64
		if err := rows.Scan(&id, &balance, &saw.version); err != nil {
			return saw, err
		}
		saw.of[id] = balance
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return saw, err
	}
	return saw, tx.Commit()
}

// forgeries are histories of worse stores. Each returns what it has forged, -1 where it found nothing.
func forgeries() []func(*rand.Rand, []operation) int {
	pick := func(ops []operation, rng *rand.Rand, fits func(operation) bool) int {
		for _, i := range rng.Perm(len(ops)) {
			if fits(ops[i]) {
				return i
			}
		}
		return -1
	}
	looks := func(o operation) bool { _, ok := o.input.(look); return ok }
	moves := func(o operation) bool { t, ok := o.input.(transfer); return ok && t.from != t.to }
	return []func(*rand.Rand, []operation) int{
		func(rng *rand.Rand, ops []operation) int { // a dirty read: between debit and credit
			o := pick(ops, rng, looks)
			if o < 0 {
				return o
			}
			ops[o].saw.of[rng.IntN(accounts)] -= 7
			return o
		},
		func(rng *rand.Rand, ops []operation) int { // a lost update: it never happened to anybody else
			o := pick(ops, rng, moves)
			if o >= 0 {
				ops[o].input = look{}
			}
			return o
		},
		func(rng *rand.Rand, ops []operation) int { // a stale read: true once, long before it was asked for
			var last operation
			for _, o := range ops {
				if moves(o) && o.call > last.call {
					last = o
				}
			}
			o := pick(ops, rng, looks)
			if o < 0 {
				return o
			}
			var start balances
			for i := range start.of {
				start.of[i] = opening
			}
			ops[o].saw, ops[o].call, ops[o].ret = start, last.ret+1, last.ret+2
			return o
		},
	}
}
