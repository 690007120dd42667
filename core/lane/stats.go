package lane

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// writerStats are counters of the writer lane; all atomic.
type writerStats struct {
	commits, jobs, failed   atomic.Uint64
	expired, kicked, fenced atomic.Uint64
	replayed, isolated      atomic.Uint64
	carried                 atomic.Uint64
	commitTime, busy        atomic.Int64
	sizes                   [8]atomic.Uint64
	outcome                 outcomeStats
	file                    fileStats
	wal                     walCounters
}

// fileStats count what happens to the file from outside.
type fileStats struct {
	busy, foreign, reconnects, moved, yields atomic.Uint64
	foreignAt                                atomic.Pointer[time.Time]
}

// outcomeStats count the groups whose COMMIT failed, by what was found out about them.
type outcomeStats struct{ committed, missing, unknown atomic.Uint64 }

// walCounters are about the write-ahead log.
type walCounters struct {
	checkpoints, incomplete atomic.Uint64
	took                    atomic.Int64
	used                    atomic.Int64 // bytes up to the latest commit
	tried                   atomic.Int64 // frames at the latest checkpoint
	pin                     pin
}

func (s *writerStats) committed(members int, took time.Duration) {
	s.commits.Add(1)
	s.jobs.Add(uint64(members))
	s.commitTime.Add(int64(took))
	s.sizes[bits.Len(uint(min(members, 128)))-1].Add(1)
}

// WriterStats is what the writer lane has done since Open.
type WriterStats struct {
	Jobs    uint64 // transactions committed
	Commits uint64 // groups that held at least one of them
	Failed  uint64 // transactions rolled back by error, veto or limit
	Refused uint64 // turned away; Queues says why
	Waiting int    // in the queue now
	// GroupSize counts the groups of 1, 2–3, 4–7, 8–15, 16–31, 32–63, 64–127 and 128 or more members.
	GroupSize  [8]uint64
	CommitTime time.Duration // total
	Busy       time.Duration // total, from the begin of a group to the end of its COMMIT
	Replayed   uint64        // transactions run again after another's fault
	Isolated   uint64        // transactions moved to a group of their own
	Carried    uint64        // groups that ran on the goroutine of a caller, who found the lane at rest
	Limits     LimitStats
	File       FileStats
	Outcome    OutcomeStats
	Queues     [classes]QueueStats // the line of each class, first served first
}

// OutcomeStats counts groups whose COMMIT failed, by what the database said about them afterwards.
type OutcomeStats struct {
	Committed uint64 // it was there
	Missing   uint64 // it was not, and its members were told so
	Unknown   uint64 // it could not be found out: ErrOutcomeUnknown
}

// LimitStats counts what was ended because it took too long.
type LimitStats struct {
	Expired     uint64 // leases that ran out
	Interrupted uint64 // statements
	Fenced      uint64 // connections taken from statements that did not stop
}

// FileStats counts what happened to the database file from outside.
type FileStats struct {
	Busy    uint64 // waits for another program's lock
	Foreign uint64 // commits of other programs that were noticed
	// LastForeign is when the latest of these was noticed; zero for none.
	LastForeign time.Time
	Moved       uint64 // times the file was found renamed, replaced or unlinked
	Reconnects  uint64 // connections of the writer after the first
	Yields      uint64 // times the write lock was left alone for other programs
}

// PoolStats is the state of a lane of readers.
type PoolStats struct {
	Open, Idle, InUse           int
	Slots, Waiting              int    // run slots; callers that wait for a slot or a connection
	Opened, ClosedIdle, Retired uint64 // connections since Open
	SlotWaits, ConnWaits        uint64
	Starved                     int                 // of Waiting: for a connection, all of which are held by open rows and Views
	Fenced                      uint64              // connections taken from statements that did not stop
	Queues                      [classes]QueueStats // the line for a run slot of each class, first served first
}

// WALStats is the state of the write-ahead log.
type WALStats struct {
	Bytes       int64 // of the file
	Used        int64 // up to the latest commit
	Checkpoints uint64
	Incomplete  uint64 // a reader was in the way
	Ended       uint64 // snapshots ended by the governor
	Time        time.Duration
}

// Stats is a snapshot of all lanes.
type Stats struct {
	Writer      WriterStats
	Readers     PoolStats
	Analytics   PoolStats
	Maintenance PoolStats
	WAL         WALStats
	Syncs       int64 // fsyncs of the write-ahead log
	Leaked      int   // fenced connections that were left behind
}

// Stats returns the present figures. Safe for concurrent use.
func (l *Lanes) Stats() Stats {
	st := Stats{Readers: l.readers.stats(), Analytics: l.analytics.stats(), Maintenance: l.maintenance.stats(), Leaked: l.store.Leaked()}
	st.Syncs = l.store.IO().Syncs
	w := l.writer
	if w == nil {
		return st
	}
	s := &w.stats
	st.Writer = WriterStats{Jobs: s.jobs.Load(), Commits: s.commits.Load(), Failed: s.failed.Load(), Queues: w.q.stats(),
		Waiting: int(w.q.depthNow.Load()), CommitTime: time.Duration(s.commitTime.Load()), Busy: time.Duration(s.busy.Load()), Replayed: s.replayed.Load(), Isolated: s.isolated.Load(), Carried: s.carried.Load(),
		Limits:  LimitStats{Expired: s.expired.Load(), Interrupted: s.kicked.Load(), Fenced: s.fenced.Load()},
		File:    FileStats{Busy: s.file.busy.Load(), Foreign: s.file.foreign.Load(), Moved: s.file.moved.Load(), Reconnects: s.file.reconnects.Load(), Yields: s.file.yields.Load()},
		Outcome: OutcomeStats{Committed: s.outcome.committed.Load(), Missing: s.outcome.missing.Load(), Unknown: s.outcome.unknown.Load()}}
	for _, line := range st.Writer.Queues {
		st.Writer.Refused += line.Refused.Total()
	}
	for i := range s.sizes {
		st.Writer.GroupSize[i] = s.sizes[i].Load()
	}
	if at := s.file.foreignAt.Load(); at != nil {
		st.Writer.File.LastForeign = *at
	}
	st.WAL = WALStats{Bytes: l.store.WALBytes(), Used: w.walUsed(), Checkpoints: s.wal.checkpoints.Load(), Incomplete: s.wal.incomplete.Load(),
		Ended: l.ended.Load(), Time: time.Duration(s.wal.took.Load())}
	return st
}

func (p *pool) stats() PoolStats {
	waiting, slotWaits, lines := p.slots.stats()
	p.mu.Lock()
	defer p.mu.Unlock()
	starved := 0
	for _, w := range p.waiters {
		if !w.gone {
			starved++
		}
	}
	return PoolStats{Open: p.open, Starved: starved, Idle: len(p.idle), InUse: p.open - len(p.idle), Slots: p.cfg.Slots,
		Waiting: waiting + starved, Opened: p.counts.opened, ClosedIdle: p.counts.closedIdle, Retired: p.counts.retired,
		SlotWaits: slotWaits, ConnWaits: p.counts.connWaits, Fenced: p.counts.fenced, Queues: lines}
}
