package plugins

import "fmt"

// Quarantine takes the version of a plug-in that is in service out of it, as its breaker would: an operator does, or an engine that starts and finds
// that it was in quarantine when it ended.
//
// # Errors
//
// ErrState where no such plug-in is in service, or it is in quarantine already.
func (r *Registry) Quarantine(name, reason string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.slots[name]
	if s == nil || s.active.Load() == nil {
		return fmt.Errorf("%w: no plug-in %s is in service (engine plugin list shows those that are)", ErrState, name)
	}
	v := s.active.Load()
	if !v.breaker.trip(reason) {
		return fmt.Errorf("%w: plug-in %s is in quarantine already", ErrState, name)
	}
	r.report(v, StateQuarantined, reason)
	return nil
}

// trip opens the breaker; false where it was open.
func (b *breaker) trip(why string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = why
	return !b.tripped.Swap(true)
}

// tripped reports that the breaker of a version has opened, unless an operator has closed it meanwhile: the last word about a version is what it is.
func (r *Registry) tripped(v *Version, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, open := v.breaker.open(); open {
		r.report(v, StateQuarantined, reason)
	}
}
