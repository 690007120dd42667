package lane

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/clock"
)

// Config configures all lanes of one database. Zero means zero: start from DefaultConfig.
type Config struct {
	Writer      WriterConfig
	Readers     PoolConfig
	Analytics   PoolConfig
	Maintenance PoolConfig
	WAL         WALConfig
	Quotas      Quotas       // of tenants, in each lane
	Clock       clock.Clock  // idle close and snapshot age; nil: the system's
	Logger      *slog.Logger // nil: slog's default
	Observer    Observer     // nil: nobody
	Enforcer    Enforcer     // judges what is written; nil: nobody
	Admission   Admission    // who may write, beside the queue's own limits
	// Fence is asked at the begin of a write transaction when another connection has committed since the last; its error refuses the write. nil: nobody.
	Fence func(*sqlite.Conn) error
}

// Observer is told of each COMMIT of the writer. It must be safe for concurrent use and must not block.
type Observer interface {
	// StartCommit is called with the context of a member of the group; the function it returns is called once.
	StartCommit(ctx context.Context, group uint64) (oteltrace.SpanContext, func(CommitInfo))
}

// CommitInfo tells how a COMMIT ended.
type CommitInfo struct {
	Err     error
	Size    int  // members of the group
	Durable bool // the log was synced
	Took    time.Duration
}

// WriterConfig configures the writer lane. Every field but QueueTarget must be positive.
type WriterConfig struct {
	Queue         int           // waiting transactions per class
	QueueTimeout  time.Duration // longest wait in the queue
	QueueTarget   time.Duration // wait that load is shed for when it stands, see codel; 0: never
	GroupJobs     int           // members of a group
	GroupTime     time.Duration // how long a group takes in members
	Hold          time.Duration // longest lease of a closure
	StatementTime time.Duration // longest statement before it is interrupted
	Grace         time.Duration // how long an interrupted statement may take to stop before its connection is fenced
	BusyTimeout   time.Duration // longest wait for another program's write lock
	AckGrace      time.Duration // how long past its deadline a caller still waits for a commit under way
	IdleTruncate  time.Duration // how long the lane must be idle before the WAL is truncated
}

// PoolConfig configures a lane of readers. Every field but QueueTarget must be positive.
type PoolConfig struct {
	Slots        int           // statements that step at once
	Conns        int           // connections open at once
	Queue        int           // callers that wait
	QueueTimeout time.Duration // longest wait for a connection or a slot
	QueueTarget  time.Duration // wait for a slot that load is shed for when it stands, see codel; 0: never
	IdleTimeout  time.Duration // an unused connection is closed after it
	MemoryBound  int64         // a connection whose high-water passes it is closed when given back, bytes
}

// WALConfig bounds the write-ahead log, in frames and bytes.
type WALConfig struct {
	CheckpointFrames int           // checkpoint after so many frames
	Soft             int64         // no new analytics snapshot from here, snapshot age enforced
	Hard             int64         // checkpoints wait for readers from here
	Cap              int64         // the file stays within it; an eighth below it the oldest snapshots end whatever their age
	SnapshotAge      time.Duration // oldest snapshot while over Soft
}

// DefaultConfig is what suits most programs.
func DefaultConfig() Config {
	return Config{
		Writer: WriterConfig{Queue: 4096, QueueTimeout: 2 * time.Second, QueueTarget: 5 * time.Millisecond, GroupJobs: 128, GroupTime: 5 * time.Millisecond,
			Hold: 50 * time.Millisecond, StatementTime: 10 * time.Second, Grace: 500 * time.Millisecond,
			BusyTimeout: 5 * time.Second, AckGrace: time.Second, IdleTruncate: time.Second},
		Readers: PoolConfig{Slots: max(2, 2*runtime.GOMAXPROCS(0)), Conns: 128, Queue: 16384, QueueTimeout: 2 * time.Second, QueueTarget: 5 * time.Millisecond,
			IdleTimeout: 5 * time.Minute, MemoryBound: 48 << 20},
		Analytics: PoolConfig{Slots: 2, Conns: 8, Queue: 1024, QueueTimeout: 30 * time.Second, QueueTarget: time.Second,
			IdleTimeout: 5 * time.Minute, MemoryBound: 256 << 20},
		Maintenance: PoolConfig{Slots: 1, Conns: 2, Queue: 64, QueueTimeout: 30 * time.Second, QueueTarget: time.Second,
			IdleTimeout: 5 * time.Minute, MemoryBound: 256 << 20},
		WAL: WALConfig{CheckpointFrames: 1000, Soft: 16 << 20, Hard: 64 << 20, Cap: 256 << 20, SnapshotAge: 30 * time.Second},
	}
}

// Mistakes lists what is wrong with c, one "section.field: why" each.
func (c *Config) Mistakes() []string {
	var out []string
	bad := func(key string, got any) {
		out = append(out, fmt.Sprintf("%s: must be positive, got %v", key, got))
	}
	num := func(key string, n int64) {
		if n <= 0 {
			bad(key, n)
		}
	}
	dur := func(key string, d time.Duration) {
		if d <= 0 {
			bad(key, d)
		}
	}
	none := func(key string, d time.Duration) {
		if d < 0 {
			out = append(out, fmt.Sprintf("%s: must not be negative, got %v; 0 refuses nothing for a delay", key, d))
		}
	}
	w := c.Writer
	num("writer.queue", int64(w.Queue))
	dur("writer.queue_timeout", w.QueueTimeout)
	none("writer.queue_target", w.QueueTarget)
	num("writer.group_jobs", int64(w.GroupJobs))
	dur("writer.group_time", w.GroupTime)
	dur("writer.hold", w.Hold)
	dur("writer.statement_time", w.StatementTime)
	dur("writer.grace", w.Grace)
	dur("writer.busy_timeout", w.BusyTimeout)
	dur("writer.ack_grace", w.AckGrace)
	dur("writer.idle_truncate", w.IdleTruncate)
	for _, p := range []struct {
		key string
		c   PoolConfig
	}{{"readers", c.Readers}, {"analytics", c.Analytics}, {"maintenance", c.Maintenance}} {
		num(p.key+".slots", int64(p.c.Slots))
		num(p.key+".connections", int64(p.c.Conns))
		num(p.key+".queue", int64(p.c.Queue))
		dur(p.key+".queue_timeout", p.c.QueueTimeout)
		none(p.key+".queue_target", p.c.QueueTarget)
		dur(p.key+".idle_timeout", p.c.IdleTimeout)
		num(p.key+".memory_bound", p.c.MemoryBound)
	}
	num("wal.checkpoint_frames", int64(c.WAL.CheckpointFrames))
	num("wal.soft", c.WAL.Soft)
	if c.WAL.Hard < c.WAL.Soft || c.WAL.Cap < c.WAL.Hard {
		out = append(out, fmt.Sprintf("wal: soft ≤ hard ≤ cap must hold, got %d, %d, %d", c.WAL.Soft, c.WAL.Hard, c.WAL.Cap))
	}
	dur("wal.snapshot_age", c.WAL.SnapshotAge)
	return out
}
