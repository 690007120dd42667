package config

import (
	"strings"
	"time"

	"github.com/tidegate/engine"
)

// setting is a row of the table from which everything in this package is made.
type setting struct {
	key string
	// field returns the address of the field that the setting fills. Its type decides how the value is written: *string, *bool,
	// *int, *int64 (a size in bytes), *time.Duration, *[]string, *[]engine.Quota, *[]engine.RowCheck, *[]engine.AlertRule, *[]Builtin,
	// *[]AlertSink, *[]AlertEndpoint,
	// *engine.Durability, *engine.BindingsPolicy.
	field func(*Settings) any
	// words are the only values allowed; nil where there is no such list.
	words []string
	// plain is how a text should look, for the schema; "" for any.
	plain string
	doc   string
}

// table lists all settings in the order in which they are shown. Sections keep together.
func table() []setting {
	out := []setting{
		{key: "url", field: func(s *Settings) any { return &s.Engine.URL },
			doc: "The database: sqlite:///relative.db, sqlite:////absolute.db, sqlite:// (in memory), a file: URI or a plain path."},
		{key: "migrations", field: func(s *Settings) any { return &s.Schema }, words: []string{schemaNone, schemaTrading},
			doc: "The schema that is brought up to date at the start: none, or trading for the one that this project ships."},
		{key: "read_only", field: func(s *Settings) any { return &s.Engine.ReadOnly },
			doc: "Open without a writer: every write is refused."},
		{key: "create", field: func(s *Settings) any { return &s.Engine.Create },
			doc: "Make the file when it is missing. Directories are never made."},
		{key: "adopt", field: func(s *Settings) any { return &s.Engine.Adopt },
			doc: "Take over a database that another program made; a copy is kept beside it first. Otherwise such a database is open read only."},
	}
	out = append(out, writerSettings()...)
	out = append(out, readerSettings("readers", "short reads", func(s *Settings) *engine.LaneConfig { return &s.Engine.Readers })...)
	out = append(out, readerSettings("analytics", "long reads", func(s *Settings) *engine.LaneConfig { return &s.Engine.Analytics })...)
	out = append(out, readerSettings("maintenance", "the engine's own reads", func(s *Settings) *engine.LaneConfig { return &s.Engine.Maintenance })...)
	out = append(out, walSettings()...)
	out = append(out, keySettings()...)
	out = append(out, migrateSettings()...)
	out = append(out, ruleSettings()...)
	out = append(out, traceSettings()...)
	out = append(out, pluginSettings()...)
	out = append(out, tenantSettings()...)
	out = append(out, telemetrySettings()...)
	out = append(out, alertSettings()...)
	out = append(out, sinkSettings()...)
	out = append(out, healthSettings()...)
	return append(out, serverSettings()...)
}

func keySettings() []setting {
	return []setting{
		{key: "keys.age", field: func(s *Settings) any { return &s.Engine.Keys.Age },
			doc: "How long at least the key of an idempotent call is kept."},
		{key: "keys.entries", field: func(s *Settings) any { return &s.Engine.Keys.Entries },
			doc: "How many such keys are kept at most; beyond, the oldest go whatever their age."},
	}
}

func traceSettings() []setting {
	slow := func(key, of string, field func(*engine.TraceSlow) *time.Duration) setting {
		return setting{key: "trace.slow." + key, field: func(s *Settings) any { return field(&s.Engine.Trace.Slow) },
			doc: "From when on " + of + " is exported although its caller's span is not sampled; 0 calls none slow."}
	}
	return []setting{
		{key: "trace.records", field: func(s *Settings) any { return &s.Engine.Trace.Records },
			doc: "How many of the last operations the flight recorder keeps (engine trace dump); 0 turns tracing off altogether."},
		slow("signal", "a read of class signal", func(t *engine.TraceSlow) *time.Duration { return &t.Signal }),
		slow("analytics", "a read of class analytics", func(t *engine.TraceSlow) *time.Duration { return &t.Analytics }),
		slow("other", "any other statement or transaction", func(t *engine.TraceSlow) *time.Duration { return &t.Other }),
		slow("plugin", "one call of a plug-in", func(t *engine.TraceSlow) *time.Duration { return &t.Plugin }),
	}
}

func ruleSettings() []setting {
	return []setting{
		{key: "rules.checks", field: func(s *Settings) any { return &s.Engine.Rules.Checks },
			doc: `Rules for rows, for what needs no plug-in: each has a table, a check (an expression of SQL that must not be false for a row after an INSERT or an UPDATE) and perhaps a message. Outside of the file they are JSON: [{"table":"trades","check":"qty > 0"}].`},
		{key: "rules.keys", field: func(s *Settings) any { return &s.Engine.Rules.Keys }, words: []string{"full", "hash", "none"},
			doc: "What errors, logs and stored verdicts tell of the key of a row: full; hash, where a text is the first 8 bytes of its SHA-256; or none, where they do not say which row it is."},
		{key: "rules.keep", field: func(s *Settings) any { return &s.Engine.Rules.Keep },
			doc: "How many rejections and other verdicts of rules are stored in the database; the oldest go, 0 stores none."},
	}
}

func migrateSettings() []setting {
	m := func(f func(*engine.MigrateConfig) any) func(*Settings) any {
		return func(s *Settings) any { return f(&s.Engine.Migrate) }
	}
	return []setting{
		{key: "migrate.snapshot_dir", field: m(func(c *engine.MigrateConfig) any { return &c.SnapshotDir }),
			doc: "Where copies from before a migration are kept, of each database in a folder of its own; empty: beside the database, named after it with .snapshots."},
		{key: "migrate.snapshot_keep", field: m(func(c *engine.MigrateConfig) any { return &c.SnapshotKeep }),
			doc: "How many copies from before a migration stay."},
		{key: "migrate.lock_wait", field: m(func(c *engine.MigrateConfig) any { return &c.LockWait }),
			doc: "How long a start waits for another process that migrates."},
		{key: "migrate.hash_budget", field: m(func(c *engine.MigrateConfig) any { return &c.HashBudget }),
			doc: "How long may be spent on hashing the rows of tables that a migration must not change; what does not fit is sampled."},
		{key: "migrate.rehearse", field: m(func(c *engine.MigrateConfig) any { return &c.Rehearse }),
			doc: "Run migrations that change what is there already on a copy first: up, down and up again."},
	}
}

func writerSettings() []setting {
	w := func(f func(*engine.WriterConfig) any) func(*Settings) any {
		return func(s *Settings) any { return f(&s.Engine.Writer) }
	}
	return []setting{
		{key: "writer.durability", field: w(func(c *engine.WriterConfig) any { return &c.Durability }), words: []string{"durable", "relaxed"},
			doc: "What a commit survives that asks for nothing itself: durable survives a power cut, relaxed only the death of the process."},
		{key: "writer.queue", field: w(func(c *engine.WriterConfig) any { return &c.Queue }),
			doc: "How many transactions of a class may wait; more are refused."},
		{key: "writer.queue_timeout", field: w(func(c *engine.WriterConfig) any { return &c.QueueTimeout }),
			doc: "How long a transaction may wait before it is refused."},
		{key: "writer.queue_target", field: w(func(c *engine.WriterConfig) any { return &c.QueueTarget }),
			doc: "The wait that is kept to while more keeps coming than is served: what would wait longer is refused at once. 0s refuses nothing for that reason."},
		{key: "writer.group_jobs", field: w(func(c *engine.WriterConfig) any { return &c.GroupJobs }),
			doc: "How many transactions share a COMMIT at most."},
		{key: "writer.group_time", field: w(func(c *engine.WriterConfig) any { return &c.GroupTime }),
			doc: "How long a group may take in more members."},
		{key: "writer.hold", field: w(func(c *engine.WriterConfig) any { return &c.Hold }),
			doc: "How long a transaction may keep the writer from others before it is rolled back."},
		{key: "writer.statement_time", field: w(func(c *engine.WriterConfig) any { return &c.StatementTime }),
			doc: "How long one statement may run on the writer before it is interrupted."},
		{key: "writer.busy_timeout", field: w(func(c *engine.WriterConfig) any { return &c.BusyTimeout }),
			doc: "How long to wait for another program that holds the write lock."},
	}
}

func readerSettings(section, what string, lane func(*Settings) *engine.LaneConfig) []setting {
	r := func(f func(*engine.LaneConfig) any) func(*Settings) any {
		return func(s *Settings) any { return f(lane(s)) }
	}
	slots := "How many statements of the lane for " + what + " step at once."
	if section == "readers" {
		slots += " The default is twice the number of cores, at least 2."
	}
	return []setting{
		{key: section + ".slots", field: r(func(c *engine.LaneConfig) any { return &c.Slots }), doc: slots},
		{key: section + ".connections", field: r(func(c *engine.LaneConfig) any { return &c.Connections }),
			doc: "How many connections may be open at once: one between two rows keeps its connection and gives its slot back."},
		{key: section + ".queue", field: r(func(c *engine.LaneConfig) any { return &c.Queue }),
			doc: "How many callers may wait; more are refused."},
		{key: section + ".queue_timeout", field: r(func(c *engine.LaneConfig) any { return &c.QueueTimeout }),
			doc: "How long one may wait before it is refused."},
		{key: section + ".queue_target", field: r(func(c *engine.LaneConfig) any { return &c.QueueTarget }),
			doc: "The same as writer.queue_target, for the wait for a slot."},
		{key: section + ".idle_timeout", field: r(func(c *engine.LaneConfig) any { return &c.IdleTimeout }),
			doc: "After how long an unused connection is closed."},
		{key: section + ".memory", field: r(func(c *engine.LaneConfig) any { return &c.Memory }),
			doc: "The most memory that one connection may use."},
		{key: section + ".cache_kib", field: r(func(c *engine.LaneConfig) any { return &c.CacheKiB }),
			doc: "The page cache of one connection in KiB, at most half of its memory."},
	}
}

func walSettings() []setting {
	w := func(f func(*engine.WALConfig) any) func(*Settings) any {
		return func(s *Settings) any { return f(&s.Engine.WAL) }
	}
	return []setting{
		{key: "wal.checkpoint_frames", field: w(func(c *engine.WALConfig) any { return &c.CheckpointFrames }),
			doc: "After how many frames of the write-ahead log a checkpoint runs, once the commit has been acknowledged."},
		{key: "wal.soft", field: w(func(c *engine.WALConfig) any { return &c.Soft }),
			doc: "The log's size from which no new analytics snapshot starts, and snapshots older than wal.snapshot_age are ended."},
		{key: "wal.hard", field: w(func(c *engine.WALConfig) any { return &c.Hard }),
			doc: "The size from which checkpoints wait for readers; not below wal.soft."},
		{key: "wal.cap", field: w(func(c *engine.WALConfig) any { return &c.Cap }),
			doc: "The size that the file stays within: an eighth below it the oldest snapshots are ended whatever their age; not below wal.hard."},
		{key: "wal.snapshot_age", field: w(func(c *engine.WALConfig) any { return &c.SnapshotAge }),
			doc: "How old a snapshot may get while the log is over wal.soft."},
	}
}

func tenantSettings() []setting {
	return []setting{
		{key: "tenants.in_flight", field: func(s *Settings) any { return &s.Engine.Tenants.InFlight },
			doc: "How many calls of a tenant may be under way at once in a lane; more wait. 0 is no bound."},
		{key: "tenants.queued", field: func(s *Settings) any { return &s.Engine.Tenants.Queued },
			doc: "How many calls of a tenant may wait in a lane; more are refused. 0 is no bound."},
		{key: "tenants.quotas", field: func(s *Settings) any { return &s.Engine.Tenants.Quotas },
			doc: `Quotas of single tenants, each a text such as "desk-a in_flight=8 queued=100 share=2"; share is its turns in a round.`},
	}
}

func serverSettings() []setting {
	v := func(f func(*Server) any) func(*Settings) any {
		return func(s *Settings) any { return f(&s.Server) }
	}
	return []setting{
		{key: "server.listen", field: v(func(c *Server) any { return &c.Listen }), plain: `^(unix:.+|.*:[A-Za-z0-9-]+)$`,
			doc: "Where engine serve listens: host:port, or unix:/path of a socket. Anything but this machine needs server.tls."},
		{key: "server.hosts", field: v(func(c *Server) any { return &c.Hosts }),
			doc: "Host names by which clients may call the server, besides the one in server.listen and, on loopback, localhost."},
		{key: "server.token_file", field: v(func(c *Server) any { return &c.TokenFile }),
			doc: `The file with the bearer token; it is made when it is missing. Empty is the database's path with ".token" behind it.`},
		{key: "server.integers", field: v(func(c *Server) any { return &c.Integers }), words: []string{IntegersAsStrings, IntegersAsNumbers},
			doc: "How integers beyond 2^53 are answered when a request does not say: string, or number for clients that read 64 bits."},
		{key: "server.tls.cert", field: v(func(c *Server) any { return &c.TLS.Cert }),
			doc: "The file with the certificate chain (PEM). Empty is plain HTTP, on this machine only."},
		{key: "server.tls.key", field: v(func(c *Server) any { return &c.TLS.Key }),
			doc: "The file with the certificate's private key (PEM)."},
		{key: "server.limits.body", field: v(func(c *Server) any { return &c.Limits.Body }),
			doc: "The largest body of a request."},
		{key: "server.limits.rows", field: v(func(c *Server) any { return &c.Limits.Rows }),
			doc: "How many rows one answer may have; one row more is an error, never a shorter answer."},
		{key: "server.limits.statements", field: v(func(c *Server) any { return &c.Limits.Statements }),
			doc: "How many statements a batch may have."},
		{key: "server.limits.time", field: v(func(c *Server) any { return &c.Limits.Time }),
			doc: "How long one request may take; a request may ask for less."},
		{key: "server.limits.requests", field: v(func(c *Server) any { return &c.Limits.Requests }),
			doc: "How many requests of a class are under way at once; more are refused."},
		{key: "server.limits.streams", field: v(func(c *Server) any { return &c.Limits.Streams }),
			doc: "How many requests of a class may be sending a large answer at once, which keeps a snapshot open; more are refused."},
		{key: "server.timeouts.header", field: v(func(c *Server) any { return &c.Timeouts.Header }),
			doc: "How long the head of a request may take to arrive."},
		{key: "server.timeouts.read", field: v(func(c *Server) any { return &c.Timeouts.Read }),
			doc: "How long a whole request may take to arrive."},
		{key: "server.timeouts.write", field: v(func(c *Server) any { return &c.Timeouts.Write }),
			doc: "How long a client may take to accept a piece of an answer before it is cut off."},
		{key: "server.timeouts.idle", field: v(func(c *Server) any { return &c.Timeouts.Idle }),
			doc: "How long a connection may do nothing between two requests."},
		{key: "server.drain.delay", field: v(func(c *Server) any { return &c.Drain.Delay }),
			doc: "How long /readyz is red before the server stops to listen, so that a load balancer sees it."},
		{key: "server.drain.time", field: v(func(c *Server) any { return &c.Drain.Time }),
			doc: "How long requests under way may take to end once the server has been told to stop."},
		{key: "server.otlp.metrics", field: v(func(c *Server) any { return &c.OTLP.Metrics }),
			doc: "Send metrics to a collector by OpenTelemetry's protocol, OTLP over HTTP. OTEL_METRICS_EXPORTER=otlp asks for the same; traces are the business of --trace otlp."},
		{key: "server.otlp.endpoint", field: v(func(c *Server) any { return &c.OTLP.Endpoint }),
			doc: "The collector's address without a path. Empty is what OTEL_EXPORTER_OTLP_METRICS_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT says, or http://localhost:4318."},
		{key: "server.otlp.interval", field: v(func(c *Server) any { return &c.OTLP.Interval }),
			doc: "How often metrics are sent."},
	}
}

// keys lists all keys.
func keys() []string {
	var out []string
	for _, st := range table() {
		out = append(out, st.key)
	}
	return out
}

// lookUp finds a setting.
func lookUp(key string) (setting, bool) {
	for _, st := range table() {
		if st.key == key {
			return st, true
		}
	}
	return setting{}, false
}

// isSection reports whether settings lie below the key.
func isSection(key string) bool {
	for _, st := range table() {
		if strings.HasPrefix(st.key, key+".") {
			return true
		}
	}
	return false
}

func split(key string) []string { return strings.Split(key, ".") }
