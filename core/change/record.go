package change

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/sdk/abi"
)

// records holds what was rejected: its transaction is undone, so it is written by one of its own, soon after.
const records = "_tg_rejection"

const (
	createRecords = `CREATE TABLE IF NOT EXISTS ` + records + ` (
  id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  at_ns      INTEGER NOT NULL,
  kind       TEXT    NOT NULL,   -- rejected, warned, failed, allowed, shadowed
  plugin     TEXT    NOT NULL,
  version    TEXT    NOT NULL,
  rule       INTEGER NOT NULL,
  op         TEXT    NOT NULL,
  tbl        TEXT    NOT NULL,
  col        TEXT    NOT NULL,
  row        TEXT    NOT NULL,   -- its key
  rows       INTEGER NOT NULL,
  reason     TEXT    NOT NULL,
  severity   INTEGER NOT NULL,
  trace      TEXT    NOT NULL,
  module     TEXT    NOT NULL,   -- the receipt: SHA-256 of module, configuration and batch, and the fuel
  config     TEXT    NOT NULL,
  batch      TEXT    NOT NULL,
  fuel       INTEGER NOT NULL
) STRICT`
	addRecord    = `INSERT INTO ` + records + ` (at_ns, kind, plugin, version, rule, op, tbl, col, row, rows, reason, severity, trace, module, config, batch, fuel) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`
	trimRecords  = `DELETE FROM ` + records + ` WHERE id <= (SELECT max(id) FROM ` + records + `) - ?`
	lastRecords  = `SELECT at_ns, kind, plugin, version, rule, op, tbl, col, row, rows, reason, severity, trace, module, config, batch, fuel FROM ` + records + ` ORDER BY id DESC LIMIT ?`
	recordQueue  = 1024
	recordsBatch = 256
)

// Record is an event as it is stored.
type Record struct {
	// At is when it happened, and Kind what: "rejected", "warned", "failed", "allowed" or "shadowed".
	At   time.Time
	Kind string
	// Verdict says who judged what, and why. Of "failed" and "allowed" its Reason is why the validator could not judge.
	Verdict RejectedError
	// Trace is the trace in which it happened, in hexadecimal digits; "" without one.
	Trace string
}

// Recorder stores events in the database. Those that come faster than they can be written are dropped and counted: nobody waits for it. It is safe for
// concurrent use.
type Recorder struct {
	lanes   *lane.Lanes
	keep    int64
	queue   chan Record
	dropped atomic.Uint64
	stop    chan struct{}
	wg      sync.WaitGroup
}

// NewRecorder starts a Recorder that keeps the latest keep events.
func NewRecorder(lanes *lane.Lanes, keep int64) *Recorder {
	r := &Recorder{lanes: lanes, keep: keep, queue: make(chan Record, recordQueue), stop: make(chan struct{})}
	r.wg.Go(r.run)
	return r
}

// Add takes an event.
func (r *Recorder) Add(rec Record) {
	select {
	case r.queue <- rec:
	default:
		r.dropped.Add(1)
	}
}

// Dropped counts the events that were not stored.
func (r *Recorder) Dropped() uint64 { return r.dropped.Load() }

// Close stores what is left and ends the Recorder. The lanes must still be open.
func (r *Recorder) Close() {
	close(r.stop)
	r.wg.Wait()
}

func (r *Recorder) run() {
	for {
		select {
		case first := <-r.queue:
			r.write(first)
		case <-r.stop:
			for {
				select {
				case first := <-r.queue:
					r.write(first)
				default:
					return
				}
			}
		}
	}
}

// write stores what is waiting, in one transaction.
func (r *Recorder) write(first Record) {
	batch := []Record{first}
	for len(batch) < recordsBatch {
		select {
		case rec := <-r.queue:
			batch = append(batch, rec)
			continue
		default:
		}
		break
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := r.lanes.Do(ctx, lane.JobOptions{Class: lane.Maintenance, Name: "rejections", Own: true}, func(tx *lane.Tx) error {
		if _, err := tx.ExecOwn(ctx, createRecords, nil); err != nil {
			return err
		}
		for i := range batch {
			if _, err := tx.ExecOwn(ctx, addRecord, batch[i].args()); err != nil {
				return err
			}
		}
		_, err := tx.ExecOwn(ctx, trimRecords, []any{r.keep})
		return err
	})
	if err != nil {
		r.dropped.Add(uint64(len(batch)))
	}
}

func (r *Record) args() []any {
	v := &r.Verdict
	return []any{r.At.UnixNano(), r.Kind, v.Plugin, v.Version, int64(v.Rule), v.Op.String(), v.Table, v.Column, v.Key, int64(v.Rows), v.Reason, int64(v.Severity), r.Trace,
		v.Receipt.Module, v.Receipt.Config, v.Receipt.Batch, v.Receipt.Fuel}
}

// Last returns the latest events, newest first; none where none was ever stored.
func Last(ctx context.Context, lanes *lane.Lanes, n int) ([]Record, error) {
	var out []Record
	err := ownRows(ctx, lanes, "rejections", lastRecords, []any{int64(n)}, func(row []sqlite.Value) {
		text := func(i int) string { return string(row[i].Bytes) }
		out = append(out, Record{At: time.Unix(0, row[0].Int), Kind: text(1), Trace: text(12), Verdict: RejectedError{Plugin: text(2), Version: text(3), Rule: uint32(row[4].Int),
			Op: opOf(text(5)), Table: text(6), Column: text(7), Key: text(8), Rows: int(row[9].Int), Reason: text(10), Severity: abi.Severity(row[11].Int),
			Receipt: Receipt{Module: text(13), Config: text(14), Batch: text(15), Fuel: row[16].Int}}})
	})
	return out, err
}

func opOf(name string) abi.Op {
	for _, op := range []abi.Op{abi.OpInsert, abi.OpUpdate, abi.OpDelete} {
		if op.String() == name {
			return op
		}
	}
	return 0
}
