package plugins

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/internal/clock"
	"github.com/tidegate/engine/sdk/abi"
)

// State is where a version is in its life.
type State uint8

// The states, in the order in which a version that fares well passes through them.
const (
	StateRead State = 1 + iota
	StateVerified
	StateLoaded
	StateTested
	StateShadow
	StateActive
	StateDraining
	StateRetired
	StateQuarantined
	StateFailed // it never came into service
)

// String is the name in tables, logs and metrics.
func (s State) String() string {
	names := [...]string{"unknown", "read", "verified", "loaded", "tested", "shadow", "active", "draining", "retired", "quarantined", "failed"}
	if int(s) < len(names) {
		return names[s]
	}
	return names[0]
}

// Transition is a step of a version.
type Transition struct {
	// Identity says which version of which plug-in.
	Identity Identity
	// From and To are the states; From is 0 for the first step.
	From, To State
	// At is when.
	At time.Time
	// Reason says why, where there is something to say.
	Reason string
}

// Observer hears of every transition, in order for each plug-in, on the goroutine that causes it: it must not call back into the registry.
type Observer interface{ Transition(Transition) }

// Options of a registry.
type Options struct {
	// Hosts are the transports by the manifest's kind.
	Hosts map[string]Host
	// Engine is the version of the engine, for the ranges of manifests.
	Engine [3]int
	// RequireSignature refuses what no key of TrustedKeys has signed.
	RequireSignature bool
	// TrustedKeys are ed25519 keys by their id.
	TrustedKeys map[string]ed25519.PublicKey
	// Observer hears of transitions; nil: nobody does.
	Observer Observer
	// Meters holds what plug-ins count, where the hosts were given it as their service; nil: nothing is counted.
	Meters *Meters
	// Clock is the time of the breaker; nil is the machine's.
	Clock clock.Clock
}

// Breaker: so many faults within the window put a version into quarantine.
const (
	BreakerFaults = 5
	BreakerWindow = time.Minute
)

// Registry holds the plug-ins of an engine by name. It is safe for concurrent use.
type Registry struct {
	o      Options
	mu     sync.Mutex // of changes and pins; calls do not take it
	slots  map[string]*slot
	closed bool
	rules  atomic.Pointer[ruleSet] // of what is in service; nil until something is
}

// slot is a plug-in: its version in service and the one that is tried beside it.
type slot struct {
	loading sync.Mutex // one load at a time
	active  atomic.Pointer[Version]
	shadow  atomic.Pointer[Version]
}

// NewRegistry returns an empty registry.
func NewRegistry(o Options) *Registry {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	return &Registry{o: o, slots: map[string]*slot{}}
}

func (r *Registry) report(v *Version, to State, reason string) {
	from := State(v.state.Swap(uint32(to)))
	if r.o.Observer != nil {
		r.o.Observer.Transition(Transition{Identity: v.id, From: from, To: to, At: r.o.Clock.Now(), Reason: reason})
	}
}

// slot returns the place of a plug-in, and makes it.
func (r *Registry) slot(name string) (*slot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, fmt.Errorf("%w: the registry is closed", ErrState)
	}
	s := r.slots[name]
	if s == nil {
		s = &slot{}
		r.slots[name] = s
	}
	return s, nil
}

// Load takes a version through the whole pipeline: verify, load, test, and then into service, or beside the active one where the manifest's mode is shadow. The
// version before drains: whoever has pinned it keeps it. When anything fails, the version before stays.
//
// # Errors
//
// A *ManifestError for signature and engine range, a *Fault for the module and its tests, ErrState for a transport that is not there.
func (r *Registry) Load(ctx context.Context, m *Manifest, module []byte) (*Version, error) {
	return r.load(ctx, m, module, r.verify)
}

// LoadBuiltin is Load for a Go value whose manifest is part of the configuration: whoever wrote that has named the trusted keys as well, so no signature is asked for.
//
// # Errors
//
// Those of Load; ErrState where the manifest is one of another kind.
func (r *Registry) LoadBuiltin(ctx context.Context, m *Manifest) (*Version, error) {
	if m.Kind != KindBuiltin {
		return nil, fmt.Errorf("%w: plug-in %s is not built in", ErrState, m.Name)
	}
	return r.load(ctx, m, nil, func(m *Manifest) error { return m.Fits(r.o.Engine) })
}

func (r *Registry) load(ctx context.Context, m *Manifest, module []byte, verify func(*Manifest) error) (*Version, error) {
	s, err := r.slot(m.Name)
	if err != nil {
		return nil, err
	}
	s.loading.Lock()
	defer s.loading.Unlock()
	v, err := r.prepare(ctx, m, module, verify)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	closed := r.closed
	if !closed {
		if m.Policy.Mode == "shadow" {
			r.swap(&s.shadow, v, StateShadow)
		} else {
			r.swap(&s.active, v, StateActive)
		}
	}
	r.mu.Unlock()
	if closed {
		r.report(v, StateFailed, "the registry was closed meanwhile")
		return nil, errors.Join(fmt.Errorf("%w: the registry is closed", ErrState), v.unit.Close())
	}
	return v, nil
}

// swap puts a version into a place and lets the one that was there drain.
func (r *Registry) swap(place *atomic.Pointer[Version], v *Version, state State) {
	if v != nil {
		r.report(v, state, "")
	}
	old := place.Swap(v)
	r.publish()
	if old != nil {
		r.drain(old)
	}
}

func (r *Registry) drain(v *Version) {
	r.report(v, StateDraining, "")
	v.unpin() // the registry's own pin
}

// prepare is everything before a version goes into service.
func (r *Registry) prepare(ctx context.Context, m *Manifest, module []byte, verify func(*Manifest) error) (*Version, error) {
	doc, err := m.Document()
	if err != nil {
		return nil, err
	}
	modSum, docSum := sha256.Sum256(module), sha256.Sum256(doc)
	v := &Version{r: r, m: m, id: Identity{Name: m.Name, Version: m.Version, Module: hex.EncodeToString(modSum[:]), Config: hex.EncodeToString(docSum[:])}}
	r.report(v, StateRead, "")
	if err := verify(m); err != nil {
		r.report(v, StateFailed, err.Error())
		return nil, err
	}
	r.report(v, StateVerified, "")
	kind := m.Kind
	if kind == "" {
		kind = "wasm"
	}
	h := r.o.Hosts[kind]
	if h == nil {
		err := fmt.Errorf("%w: plug-in %s wants the transport %q, which this engine was not given", ErrState, m.Name, kind)
		r.report(v, StateFailed, err.Error())
		return nil, err
	}
	if v.unit, err = h.Load(ctx, Source{Manifest: m, Module: module, Config: doc}); err != nil {
		r.report(v, StateFailed, err.Error())
		return nil, err
	}
	r.report(v, StateLoaded, "")
	if err := RunTests(ctx, m, v.unit); err != nil {
		r.report(v, StateFailed, err.Error())
		return nil, errors.Join(err, v.unit.Close())
	}
	r.report(v, StateTested, "")
	v.pins.Store(1)
	return v, nil
}

func (r *Registry) verify(m *Manifest) error {
	if r.o.RequireSignature || m.Signature != nil && len(r.o.TrustedKeys) > 0 {
		if err := m.Verify(r.o.TrustedKeys); err != nil {
			return err
		}
	}
	return m.Fits(r.o.Engine)
}

// Fits reports whether the manifest takes this version of the engine.
//
// # Errors
//
// A *[ManifestError].
func (m *Manifest) Fits(engine [3]int) error {
	if ok, err := matchRange(m.Engine, engine); err != nil || !ok {
		return &ManifestError{[]string{fmt.Sprintf("engine: %q does not take this engine, %d.%d.%d", m.Engine, engine[0], engine[1], engine[2])}}
	}
	return nil
}

// Pin returns the active version of a plug-in and keeps it alive until Unpin: a transaction pins when it begins.
//
// # Errors
//
// ErrState where no such plug-in is active. A quarantined version is returned: its calls say so.
func (r *Registry) Pin(name string) (*Version, error) { return r.pin(name, false) }

// PinShadow is Pin for the version in shadow mode.
func (r *Registry) PinShadow(name string) (*Version, error) { return r.pin(name, true) }

func (r *Registry) pin(name string, shadow bool) (*Version, error) {
	r.mu.Lock()
	s := r.slots[name]
	r.mu.Unlock()
	for s != nil {
		place := &s.active
		if shadow {
			place = &s.shadow
		}
		v := place.Load()
		if v == nil {
			break
		}
		if v.pin() {
			return v, nil
		} // it was retired between the two looks; the place holds another one by now
	}
	return nil, fmt.Errorf("%w: no plug-in %s is in service (engine plugin list shows those that are)", ErrState, name)
}

// Promote puts the version in shadow mode into service.
func (r *Registry) Promote(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.slots[name]
	if s == nil || s.shadow.Load() == nil {
		return fmt.Errorf("%w: plug-in %s has no version in shadow mode", ErrState, name)
	}
	if last, open := s.shadow.Load().breaker.open(); open {
		return fmt.Errorf("%w: the version of plug-in %s in shadow mode is in quarantine (%s): mend and reload it, or lift that first", ErrState, name, last)
	}
	r.swap(&s.active, s.shadow.Swap(nil), StateActive)
	return nil
}

// Unquarantine puts a quarantined version back into service, with a clean record; of two that are quarantined the active one.
//
// # Errors
//
// ErrState where none is.
func (r *Registry) Unquarantine(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.slots[name]; s != nil {
		for i, v := range [...]*Version{s.active.Load(), s.shadow.Load()} {
			if v != nil && v.breaker.lift() {
				r.report(v, [...]State{StateActive, StateShadow}[i], "an operator lifted the quarantine")
				return nil
			}
		}
	}
	return fmt.Errorf("%w: plug-in %s is not quarantined", ErrState, name)
}

// Unload takes a plug-in out of service; its versions drain.
func (r *Registry) Unload(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.slots[name]
	if s == nil || s.active.Load() == nil && s.shadow.Load() == nil {
		return fmt.Errorf("%w: no plug-in %s is in service (engine plugin list shows those that are)", ErrState, name)
	}
	r.swap(&s.active, nil, 0)
	r.swap(&s.shadow, nil, 0)
	return nil
}

// Info describes a version.
type Info struct {
	Identity  Identity
	State     State
	Faults    int      // within the breaker's window
	LastFault string   // "" for none
	Tables    []string // that it watches
	Shadow    bool     // it is asked beside the active version
}

// List describes every version in service or in shadow mode, by name.
func (r *Registry) List() []Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Info
	for _, s := range r.slots {
		for _, v := range []*Version{s.active.Load(), s.shadow.Load()} {
			if v != nil {
				n, last := v.breaker.record(r.o.Clock.Now())
				out = append(out, Info{v.id, v.State(), n, last, v.tables(), v == s.shadow.Load()})
			}
		}
	}
	slices.SortFunc(out, func(a, b Info) int {
		return strings.Compare(a.Identity.Name+"\x00"+a.State.String(), b.Identity.Name+"\x00"+b.State.String())
	})
	return out
}

// Close takes everything out of service. Versions that are pinned close with their last pin.
func (r *Registry) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, s := range r.slots {
		r.swap(&s.active, nil, 0)
		r.swap(&s.shadow, nil, 0)
	}
}

// Version is a loaded version of a plug-in. It is a Validator, and safe for concurrent use.
type Version struct {
	r       *Registry
	m       *Manifest
	id      Identity
	unit    Unit
	state   atomic.Uint32
	pins    atomic.Int64 // 0 is dead
	breaker breaker
}

// Identity says exactly what code this is.
func (v *Version) Identity() Identity { return v.id }

// Manifest is what it was loaded with; not to be changed.
func (v *Version) Manifest() *Manifest { return v.m }

// State is where it is in its life.
func (v *Version) State() State { return State(v.state.Load()) }

// Validate asks the plug-in about the rows of a batch; see Validator.
func (v *Version) Validate(ctx context.Context, b *abi.Batch, at time.Time) (Outcome, error) {
	return v.Call(ctx, HookValidate, b, at)
}

// Call runs a hook. Faults count for the breaker: the fifth within a minute quarantines the version. The caller has pinned the version.
//
// # Errors
//
// Those of Validator.Validate.
func (v *Version) Call(ctx context.Context, h Hook, b *abi.Batch, at time.Time) (Outcome, error) {
	if last, ok := v.breaker.open(); ok {
		return Outcome{}, &QuarantineError{v.id.Name, v.id.Version, last}
	}
	out, err := v.unit.Call(ctx, h, b, at)
	if err == nil {
		return out, nil
	}
	var f *Fault
	if errors.As(err, &f) && f.Kind != FaultHost && v.breaker.fault(v.r.o.Clock.Now(), f.Kind.String()+": "+f.Reason) {
		v.r.tripped(v, f.Error())
	}
	return out, err
}

// pin keeps the version alive; false where it is dead.
func (v *Version) pin() bool {
	for {
		n := v.pins.Load()
		if n == 0 {
			return false
		}
		if v.pins.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Unpin gives a pin back. The last one of a version that drains closes it.
func (v *Version) Unpin() { v.unpin() }

func (v *Version) unpin() {
	if v.pins.Add(-1) > 0 {
		return
	}
	reason := ""
	if err := v.unit.Close(); err != nil {
		reason = err.Error()
	}
	v.r.report(v, StateRetired, reason)
}
