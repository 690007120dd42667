package lane

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// writerStats are counters of the writer lane; all atomic.
type writerStats struct {
	commits, jobs, failed, refused             atomic.Uint64
	expired, kicked, fenced, replayed          atomic.Uint64
	isolated, busy, foreign, reconnects, moved atomic.Uint64
	commitTime                                 atomic.Int64
	checkpoints, incomplete                    atomic.Uint64
	checkpointTime                             atomic.Int64
	walFrames, tried                           atomic.Int64
	sizes                                      [8]atomic.Uint64
}

func (s *writerStats) committed(members int, took time.Duration) {
	s.commits.Add(1)
	s.jobs.Add(uint64(members))
	s.commitTime.Add(int64(took))
	s.sizes[bits.Len(uint(min(members, 128)))-1].Add(1)
}

// WriterStats is what the writer lane has done since Open.
type WriterStats struct {
	Jobs      uint64 // transactions committed
	Commits   uint64 // groups that held at least one of them
	Failed    uint64 // transactions rolled back by error, veto or limit
	Refused   uint64 // turned away by the queue's timeout
	Waiting   int    // in the queue now
	GroupSize [8]uint64
	// GroupSize counts the groups of 1, 2–3, 4–7, 8–15, 16–31, 32–63, 64–127 and 128 or more members.
	Expired, Interrupted, Fenced uint64        // leases that ran out; statements interrupted; connections fenced
	Replayed, Isolated           uint64        // jobs run again; jobs moved to a group of their own
	Busy, Foreign                uint64        // waits for another program's lock; its commits noticed
	Reconnects, Moved            uint64        // connections opened after the first; files found moved
	CommitTime                   time.Duration // total
}

// PoolStats is the state of a lane of readers.
type PoolStats struct {
	Open, Idle, InUse           int
	Slots, Waiting              int    // run slots; callers that wait for a slot or a connection
	Opened, ClosedIdle, Retired uint64 // connections since Open
	SlotWaits, ConnWaits        uint64
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
	st.Writer = WriterStats{Jobs: s.jobs.Load(), Commits: s.commits.Load(), Failed: s.failed.Load(), Refused: s.refused.Load(),
		Waiting: int(w.q.depthNow.Load()), Expired: s.expired.Load(), Interrupted: s.kicked.Load(), Fenced: s.fenced.Load(),
		Replayed: s.replayed.Load(), Isolated: s.isolated.Load(), Busy: s.busy.Load(), Foreign: s.foreign.Load(),
		Reconnects: s.reconnects.Load(), Moved: s.moved.Load(), CommitTime: time.Duration(s.commitTime.Load())}
	for i := range s.sizes {
		st.Writer.GroupSize[i] = s.sizes[i].Load()
	}
	st.WAL = WALStats{Bytes: l.store.WALBytes(), Used: w.walUsed(), Checkpoints: s.checkpoints.Load(), Incomplete: s.incomplete.Load(),
		Ended: l.ended.Load(), Time: time.Duration(s.checkpointTime.Load())}
	return st
}

func (p *pool) stats() PoolStats {
	waiting, slotWaits := p.slots.waiting()
	p.mu.Lock()
	defer p.mu.Unlock()
	return PoolStats{Open: p.open, Idle: len(p.idle), InUse: p.open - len(p.idle), Slots: p.cfg.Slots,
		Waiting: waiting + len(p.waiters), Opened: p.opened, ClosedIdle: p.closedIdle, Retired: p.retired,
		SlotWaits: slotWaits, ConnWaits: p.connWaits}
}
