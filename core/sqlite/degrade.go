package sqlite

import "context"

// Degraded reports whether the database is open for reading only because its file system was mounted read only when it was opened, see
// Options.Degrade. Safe for concurrent use.
func (s *Store) Degraded() bool { return s.look.degraded.Load() }

// degrade opens for reading what was to be written, where that is allowed and nothing but the mount is in the way.
func (s *Store) degrade(ctx context.Context, h header, hadWAL bool, why error) error {
	e, ok := why.(*Error)
	if !ok || !s.opt.Degrade || !isReadOnlyFS(e.Cause) {
		return why
	}
	s.look.degraded.Store(true)
	return s.lookOnly(ctx, h, hadWAL)
}

// regain ends the degraded state if the file can be written again. Connections that were opened before may read an immutable file: the
// caller has to open them anew.
func (s *Store) regain(ctx context.Context) error {
	s.look.regains.Lock()
	defer s.look.regains.Unlock()
	if !s.look.degraded.Load() {
		return nil
	}
	if err := writable(s.path); err != nil {
		return err
	}
	s.look.fixed.Store(false)
	s.track.mapped.Store(true)
	if err := patiently(ctx, s.tryInitialise); err != nil {
		return err
	}
	s.look.degraded.Store(false)
	return nil
}
