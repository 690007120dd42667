package lane

import "github.com/tidegate/engine/core/retry"

// Admission is what the owner of the lanes decides ahead of writes and hears of afterwards. Its functions must be safe for concurrent use
// and must not block. The zero value lets everything in and tells nobody.
type Admission struct {
	// Write is asked ahead of each write but the engine's own (JobOptions.Own), before it queues. Its error is the caller's.
	Write func() error
	// Failed is told of each failure of the store that belongs to no one statement, or that its caller does not hear of because the lane
	// tries again: connecting, BEGIN, the inquiry after a COMMIT, a checkpoint, the first run of a job that gets a second.
	Failed func(phase retry.Phase, err error)
	// Retry is asked before a job is run once more after a failure of its own.
	Retry func() bool
}

// refuses is why a write may not queue, or nil.
func (l *Lanes) refuses(opt *JobOptions) error {
	if l.writer == nil {
		return l.readOnly
	}
	if why := l.frozen.Load(); why != nil {
		return *why
	}
	if ask := l.cfg.Admission.Write; ask != nil && !opt.Own {
		return ask()
	}
	return nil
}

// Freeze makes every write, those that queue already included, end with why, and keeps the log from being copied into the database: not a
// byte of the database file changes until Thaw. Reads go on. Safe for concurrent use.
func (l *Lanes) Freeze(why error) {
	l.store.KeepLog(true)
	l.frozen.Store(&why)
}

// Thaw ends Freeze. Every connection is opened anew, because the file may have been put in order meanwhile.
func (l *Lanes) Thaw() {
	if l.writer != nil {
		l.writer.damaged.Store(nil)
		l.thawed.Store(true)
	}
	l.renew()
	l.store.KeepLog(false)
	l.frozen.Store(nil)
}

// isFrozen is why nothing may be written, or nil.
func (w *writer) isFrozen() error {
	if why := w.lanes.frozen.Load(); why != nil {
		return *why
	}
	return nil
}

// failed passes a failure on.
func (w *writer) failed(phase retry.Phase, err error) {
	if told := w.lanes.cfg.Admission.Failed; told != nil {
		told(phase, err)
	}
}

// mayRetry asks for one more run.
func (w *writer) mayRetry() bool {
	ask := w.lanes.cfg.Admission.Retry
	return ask == nil || ask()
}

// retries reports whether a job whose own failure has been undone is run once more: where the table allows it, the job may be run again,
// its caller still waits, and the budget has something left. Whoever is told no hears of the failure himself.
func (s *shift) retries(j *job, own error) bool {
	d := retry.Of(own, retry.Write)
	j.most = max(j.most, d.Again.Most())
	if d.Again == retry.Never || !j.again() || j.ctx.Err() != nil || !s.w.mayRetry() {
		return false
	}
	s.w.failed(retry.Write, own)
	return true
}
