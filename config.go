package engine

import (
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/sqlite"
)

// Config says how a database is opened and run. Start from [DefaultConfig]: it is the only place that holds defaults,
// and a zero field means zero (no limit is guessed for it; Open refuses a zero that cannot work). A Config is copied by
// Open and may be reused afterwards.
type Config struct {
	// URL names the database: "sqlite:///relative.db", "sqlite:////absolute.db", "sqlite://" (in memory), a "file:"
	// URI or a plain path.
	URL string
	// ReadOnly opens without a writer: every write returns [ErrReadOnly].
	ReadOnly bool
	// Create makes the file when it is missing. Default true. Directories are never made.
	Create bool
	// Adopt takes over a database that another program made: a copy is kept beside it first, then it is marked as
	// ours. Default false: such a database opens read only and a write returns [ErrNotAdopted].
	Adopt bool

	// Migrations holds the embedder's schema (see package migrations for the file format); Open applies what is
	// pending, in one transaction. Nil: the schema is the embedder's own business.
	Migrations fs.FS
	// Migrate says how that is done.
	Migrate MigrateConfig

	// Writer configures the writer lane.
	Writer WriterConfig
	// Readers configures the lane of short reads.
	Readers LaneConfig
	// Analytics configures the lane of long reads ([ClassAnalytics]).
	Analytics LaneConfig
	// Maintenance configures the lane of the engine's own reads ([ClassMaintenance]).
	Maintenance LaneConfig
	// WAL bounds the write-ahead log.
	WAL WALConfig
	// Keys says how long idempotency keys are kept (see [Key]).
	Keys KeysConfig
	// Tenants bounds what each [Tenant] may take of a lane.
	Tenants TenantsConfig
	// Rules judge rows before they are committed.
	Rules RulesConfig
	// Telemetry says what is measured and kept.
	Telemetry TelemetryConfig
	// Alerts says what is wrong enough to be told.
	Alerts AlertsConfig
	// Health says from when on Health warns.
	Health HealthConfig
	// Extend adds SQL functions, collations and extensions to every connection.
	Extend Extensions

	// Trace says what is kept of each operation.
	Trace TraceConfig
	// TracerProvider receives the spans. Nil: the global one of OpenTelemetry.
	TracerProvider trace.TracerProvider
	// MeterProvider receives the metrics. Nil: the global one of OpenTelemetry.
	MeterProvider metric.MeterProvider
	// Logger receives the few events that an operator must see. Nil: slog's default.
	Logger *slog.Logger
}

// WriterConfig configures the one lane that writes.
type WriterConfig struct {
	// Durability is what a write transaction gets that asks for nothing: [Durable] (default) or [Relaxed].
	Durability Durability
	// Queue is how many transactions may wait, per class; more are refused with [ErrOverloaded]. Default 4096.
	Queue int
	// QueueTimeout is how long one may wait before it is refused with [ErrOverloaded]. Default 2 s.
	QueueTimeout time.Duration
	// QueueTarget is the wait that is kept to while more keeps coming than is served: what would wait longer is refused at once with
	// [ErrOverloaded], and what has waited for twice as long is dropped. Default 5 ms; 0 refuses nothing for that reason.
	QueueTarget time.Duration
	// GroupJobs is how many transactions share a COMMIT at most. Default 128.
	GroupJobs int
	// GroupTime is how long a group may take in more members. Default 5 ms.
	GroupTime time.Duration
	// Hold is how long a closure may keep the writer; past it the closure's transaction is rolled back and its calls
	// return [ErrLeaseExpired]. Default 50 ms; [HoldFor] raises it for one call.
	Hold time.Duration
	// StatementTime is how long one statement may run on the writer before it is interrupted, and the writer replaced
	// if that does not stop it. Default 10 s.
	StatementTime time.Duration
	// BusyTimeout is how long to wait for another program that holds the write lock. Default 5 s.
	BusyTimeout time.Duration
}

// LaneConfig configures a lane of readers.
type LaneConfig struct {
	// Slots is how many statements step at once. Default max(2, 2 × cores) for readers, 2 for analytics, 1 for
	// maintenance.
	Slots int
	// Connections is how many connections may be open at once: one that is between two rows or inside a View keeps
	// its connection and gives its slot back. Default 128, 8, 2.
	Connections int
	// Queue is how many callers may wait; more are refused with [ErrOverloaded]. Default 16384.
	Queue int
	// QueueTimeout is how long one may wait before it is refused with [ErrOverloaded]. Default 2 s, 30 s, 30 s.
	QueueTimeout time.Duration
	// QueueTarget is the same as [WriterConfig.QueueTarget], for the wait for a slot. Default 5 ms, 1 s, 1 s.
	QueueTarget time.Duration
	// IdleTimeout is after how long an unused connection is closed. Default 5 min.
	IdleTimeout time.Duration
	// Memory is the most that one connection may use, in bytes. Default 64 MiB, analytics 512 MiB.
	Memory int64
	// CacheKiB is the page cache of one connection, in KiB. Default 4096, analytics 65536.
	CacheKiB int
}

// WALConfig bounds the write-ahead log. Sizes are in bytes.
type WALConfig struct {
	// CheckpointFrames is after how many frames a checkpoint runs, once the commit has been acknowledged. Default 1000.
	CheckpointFrames int
	// Soft is the size from which no new analytics snapshot starts until the log has been reset, and from which
	// SnapshotAge is enforced. Default 16 MiB.
	Soft int64
	// Hard is the size from which checkpoints wait for readers. Default 64 MiB.
	Hard int64
	// Cap is the size that the file stays within: an eighth below it the oldest snapshots are ended whatever their age. Default 256 MiB.
	Cap int64
	// SnapshotAge is how old a snapshot may get while the log is over Soft; then it ends with [ErrSnapshotExpired].
	// Default 30 s.
	SnapshotAge time.Duration
}

// TenantsConfig bounds tenants. Each lane (writer, readers, analytics, maintenance) counts for itself; calls that name no [Tenant] are
// not counted.
type TenantsConfig struct {
	// InFlight is how many calls of a tenant may be under way at once: transactions of a group that is not yet committed, and reads that
	// hold a connection. More wait, even where the lane is idle; a View that reads outside itself waits for its own end. Default 0: no bound.
	InFlight int
	// Queued is how many calls of a tenant may wait; more are refused with [ErrOverloaded]. Default 0: no bound.
	Queued int
	// Quotas are those of single tenants, instead of the above.
	Quotas []Quota
}

// Quota is what one tenant may take of a lane.
type Quota struct {
	// Tenant is its name, see [Tenant].
	Tenant string
	// InFlight is as in [TenantsConfig]; 0: no bound.
	InFlight int
	// Queued is as in [TenantsConfig]; 0: no bound.
	Queued int
	// Share is how many turns it has in a round while others wait, too; 0 is 1.
	Share int
}

// Extensions are what SQL gains on every connection of every lane.
type Extensions struct {
	// Functions are scalar SQL functions in Go.
	Functions []Function
	// Collations are orderings of text in Go.
	Collations []Collation
	// Modules are SQLite's own optional modules: [FTS5], [RTree].
	Modules []Module
}

// Function is a scalar SQL function. See the fields for the contract; a panic inside becomes an SQL error.
type Function = sqlite.Function

// Value is an argument of a [Function]. Its method Any gives it as nil, int64, float64, string or []byte.
type Value = sqlite.Value

// Collation is an ordering of text.
type Collation = sqlite.Collation

// Module is an optional module of SQLite.
type Module = sqlite.Extension

// FTS5 is full-text search.
func FTS5() Module { return sqlite.FTS5() }

// RTree is the spatial index.
func RTree() Module { return sqlite.RTree() }

// DefaultConfig returns the configuration that suits most programs, for the database at url.
func DefaultConfig(url string) Config {
	d := lane.DefaultConfig()
	o, m := sqlite.DefaultOptions(), migrate.DefaultConfig()
	read := func(p lane.PoolConfig, role sqlite.Role) LaneConfig {
		return LaneConfig{Slots: p.Slots, Connections: p.Conns, Queue: p.Queue, QueueTimeout: p.QueueTimeout, QueueTarget: p.QueueTarget,
			IdleTimeout: p.IdleTimeout, Memory: o.Memory[role], CacheKiB: o.CacheKiB[role]}
	}
	return Config{
		URL:    url,
		Create: true,
		Writer: WriterConfig{
			Durability: Durable, Queue: d.Writer.Queue, QueueTimeout: d.Writer.QueueTimeout, QueueTarget: d.Writer.QueueTarget,
			GroupJobs: d.Writer.GroupJobs, GroupTime: d.Writer.GroupTime, Hold: d.Writer.Hold,
			StatementTime: d.Writer.StatementTime, BusyTimeout: d.Writer.BusyTimeout,
		},
		Readers:     read(d.Readers, sqlite.Reader),
		Analytics:   read(d.Analytics, sqlite.Analytics),
		Maintenance: read(d.Maintenance, sqlite.Maintenance),
		WAL: WALConfig{CheckpointFrames: d.WAL.CheckpointFrames, Soft: d.WAL.Soft, Hard: d.WAL.Hard, Cap: d.WAL.Cap,
			SnapshotAge: d.WAL.SnapshotAge},
		Rules: RulesConfig{Keep: 10_000, Keys: "full"},
		Trace: TraceConfig{Records: 1 << 16, Slow: TraceSlow{Signal: 50 * time.Millisecond, Analytics: 2 * time.Second,
			Other: 100 * time.Millisecond, Plugin: 5 * time.Millisecond}},
		Health: HealthConfig{DiskFree: 512 << 20, SnapshotAge: 5 * time.Minute},
		Telemetry: TelemetryConfig{Measure: true, Interval: 10 * time.Second, Limit: 256 << 20,
			Slow: SlowConfig{Log: true, Signal: 50 * time.Millisecond, Analytics: 2 * time.Second, Other: 100 * time.Millisecond, Bindings: BindingsShape}},
		Alerts:  AlertsConfig{Evaluate: true, Deliver: defaultAlertDelivery()},
		Keys:    KeysConfig{Age: 7 * 24 * time.Hour, Entries: 1_000_000},
		Migrate: MigrateConfig{SnapshotKeep: m.Snapshots.Keep, LockWait: m.LockWait, HashBudget: m.HashBudget, Rehearse: m.Rehearse},
	}
}

// inner translates the configuration for the packages that it configures.
func (c *Config) inner(seams testSeams) (lane.Config, sqlite.Options) {
	l := lane.DefaultConfig()
	l.Clock, l.Logger = seams.clock, c.Logger
	w := &l.Writer
	w.Queue, w.QueueTimeout, w.QueueTarget = c.Writer.Queue, c.Writer.QueueTimeout, c.Writer.QueueTarget
	w.GroupJobs, w.GroupTime, w.Hold = c.Writer.GroupJobs, c.Writer.GroupTime, c.Writer.Hold
	w.StatementTime, w.BusyTimeout = c.Writer.StatementTime, c.Writer.BusyTimeout
	o := sqlite.DefaultOptions()
	o.Create, o.Adopt, o.Faults = c.Create && !c.ReadOnly, c.Adopt && !c.ReadOnly, seams.faults
	o.Degrade = true
	o.SetAside = func(name string) {
		c.logger().Error("a write-ahead log that does not belong to the database beside it was set aside: it holds what the database that it belongs to lacks. "+
			"Put it beside that one under its name, or remove it", "file", name)
	}
	o.Functions, o.Collations, o.Extensions = withPass(c.Extend.Functions), c.Extend.Collations, c.Extend.Modules
	for _, p := range []struct {
		role sqlite.Role
		from LaneConfig
		to   *lane.PoolConfig
	}{{sqlite.Reader, c.Readers, &l.Readers}, {sqlite.Analytics, c.Analytics, &l.Analytics}, {sqlite.Maintenance, c.Maintenance, &l.Maintenance}} {
		p.to.Slots, p.to.Conns, p.to.Queue = p.from.Slots, p.from.Connections, p.from.Queue
		p.to.QueueTimeout, p.to.QueueTarget, p.to.IdleTimeout = p.from.QueueTimeout, p.from.QueueTarget, p.from.IdleTimeout
		p.to.MemoryBound = p.from.Memory * 3 / 4 // a connection never gives memory back until it is closed
		o.Memory[p.role], o.CacheKiB[p.role] = p.from.Memory, p.from.CacheKiB
	}
	l.WAL = lane.WALConfig{CheckpointFrames: c.WAL.CheckpointFrames, Soft: c.WAL.Soft, Hard: c.WAL.Hard, Cap: c.WAL.Cap,
		SnapshotAge: c.WAL.SnapshotAge}
	l.Quotas = c.Tenants.inner()
	return l, o
}

// inner translates the quotas.
func (t *TenantsConfig) inner() lane.Quotas {
	q := lane.Quotas{Default: lane.Quota{InFlight: t.InFlight, Queued: t.Queued}, Tenants: make(map[string]lane.Quota, len(t.Quotas))}
	for _, of := range t.Quotas {
		q.Tenants[of.Tenant] = lane.Quota{InFlight: of.InFlight, Queued: of.Queued, Share: of.Share}
	}
	return q
}

// mistakes lists what is wrong with the quotas.
func (t *TenantsConfig) mistakes() (bad []string) {
	if t.InFlight < 0 || t.Queued < 0 {
		bad = append(bad, "tenants: in_flight and queued must not be negative; 0 is no bound")
	}
	seen := map[string]bool{}
	for _, q := range t.Quotas {
		switch {
		case q.Tenant == "":
			bad = append(bad, "tenants.quotas: a quota must name its tenant")
		case seen[q.Tenant]:
			bad = append(bad, fmt.Sprintf("tenants.quotas: %q has two quotas", q.Tenant))
		case q.InFlight < 0 || q.Queued < 0 || q.Share < 0 || q.Share > 1000:
			bad = append(bad, fmt.Sprintf("tenants.quotas: %q: nothing may be negative, and a share at most 1000", q.Tenant))
		}
		seen[q.Tenant] = true
	}
	return bad
}

// Check reports every mistake of the configuration at once, as Open would, without opening anything.
//
// # Errors
//
// *[ConfigError], which matches [ErrConfig].
func (c Config) Check() error {
	lanes, _ := c.inner(testSeams{})
	_, err := sqlite.ParseURL(c.URL)
	if bad := c.mistakes(&lanes, err); len(bad) > 0 {
		return &ConfigError{bad}
	}
	return nil
}

// mistakes lists everything that is wrong, so that one run shows all of it.
func (c *Config) mistakes(l *lane.Config, url error) []string {
	bad := l.Mistakes()
	if url != nil {
		bad = append([]string{"url: " + url.Error()}, bad...)
	}
	for _, p := range []struct {
		key string
		c   LaneConfig
	}{{"readers", c.Readers}, {"analytics", c.Analytics}, {"maintenance", c.Maintenance}} {
		if p.c.CacheKiB <= 0 || int64(p.c.CacheKiB)<<10 > p.c.Memory/2 {
			bad = append(bad, p.key+".cache_kib: must be positive and at most half of the lane's memory")
		}
	}
	if c.Keys.Age <= 0 {
		bad = append(bad, fmt.Sprintf("keys.age: must be positive, got %v", c.Keys.Age))
	}
	if c.Keys.Entries <= 0 {
		bad = append(bad, fmt.Sprintf("keys.entries: must be positive, got %d", c.Keys.Entries))
	}
	bad = append(bad, c.Tenants.mistakes()...)
	bad = append(bad, c.Rules.mistakes()...)
	bad = append(bad, c.Trace.mistakes()...)
	bad = append(bad, c.Telemetry.mistakes()...)
	bad = append(bad, c.Alerts.Deliver.mistakes()...)
	bad = append(bad, c.alertMistakes()...)
	bad = append(bad, c.Health.mistakes()...)
	if c.Writer.Durability > Relaxed {
		bad = append(bad, "writer.durability: must be Durable or Relaxed")
	}
	if c.Migrate.SnapshotKeep < 1 {
		bad = append(bad, fmt.Sprintf("migrate.snapshot_keep: must be positive, got %d", c.Migrate.SnapshotKeep))
	}
	if c.Migrate.LockWait <= 0 {
		bad = append(bad, fmt.Sprintf("migrate.lock_wait: must be positive, got %v", c.Migrate.LockWait))
	}
	if c.Migrate.HashBudget <= 0 {
		bad = append(bad, fmt.Sprintf("migrate.hash_budget: must be positive, got %v", c.Migrate.HashBudget))
	}
	for i, p := range c.Migrate.Probes {
		if p.Name == "" || p.Check == nil {
			bad = append(bad, fmt.Sprintf("migrate.probes[%d]: needs a name and a function", i))
		}
	}
	for i, f := range c.Extend.Functions {
		if f.Name == "" || f.Scalar == nil {
			bad = append(bad, fmt.Sprintf("extend.functions[%d]: needs a name and a function", i))
		}
	}
	for i, f := range c.Extend.Collations {
		if f.Name == "" || f.Compare == nil {
			bad = append(bad, fmt.Sprintf("extend.collations[%d]: needs a name and a function", i))
		}
	}
	return bad
}
