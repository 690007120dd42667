package lane

// Admission is what the owner of the lanes decides ahead of writes and hears of afterwards. Its functions must be safe for concurrent use
// and must not block. The zero value lets everything in and tells nobody.
type Admission struct {
	// Write is asked ahead of each write but the engine's own (JobOptions.Own), before it queues. Its error is the caller's.
	Write func() error
	// Checkpoint is told of each checkpoint that failed: it runs after the acknowledgement, so no caller hears of it.
	Checkpoint func(err error)
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
	l.retire()
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

// checkpointFailed passes the failure of a checkpoint on.
func (w *writer) checkpointFailed(err error) {
	if told := w.lanes.cfg.Admission.Checkpoint; told != nil {
		told(err)
	}
}
