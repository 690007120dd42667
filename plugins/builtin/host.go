package builtin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// Host makes units of Go values. It is safe for concurrent use.
type Host struct {
	makers   map[string]func() any
	services plugins.Services
}

// New returns a host of plug-ins by the name that a manifest calls their module. A maker returns a new value each time, which implements sdk.Validator,
// sdk.Retainer or sdk.Sink.
func New(makers map[string]func() any, s plugins.Services) *Host {
	return &Host{maps.Clone(makers), s}
}

func fault(m *plugins.Manifest, kind plugins.FaultKind, reason string) *plugins.Fault {
	return &plugins.Fault{Kind: kind, Plugin: m.Name, Version: m.Version, Reason: reason}
}

// Load configures a first instance.
//
// # Errors
//
// A *plugins.Fault: no such plug-in, or what the plug-in says of its configuration.
func (h *Host) Load(_ context.Context, s plugins.Source) (plugins.Unit, error) {
	makes := h.makers[s.Manifest.Module]
	if makes == nil {
		known := slices.Sorted(maps.Keys(h.makers))
		return nil, fault(s.Manifest, plugins.FaultLoad, fmt.Sprintf("no plug-in %q is built in: module is one of %s", s.Manifest.Module, strings.Join(known, ", ")))
	}
	u := &Unit{m: s.Manifest, doc: s.Config, makes: makes, services: h.services}
	in, err := u.start()
	if err != nil {
		return nil, err
	}
	u.idle = append(u.idle, in)
	return u, nil
}

// Unit is a plug-in with its instances. It is safe for concurrent use.
type Unit struct {
	m        *plugins.Manifest
	doc      []byte
	makes    func() any
	services plugins.Services

	mu     sync.Mutex
	idle   []*instance
	closed bool
}

// instance serves one goroutine at a time.
type instance struct {
	unit            *Unit
	sdk             *sdk.Instance
	raw             []byte
	ctx             context.Context // of the call under way
	served, counted int
	failed          error // of a service
}

func (u *Unit) start() (in *instance, err error) {
	defer func() {
		if p := recover(); p != nil {
			in, err = nil, fault(u.m, plugins.FaultTrap, fmt.Sprintf("it panicked while it was configured: %v", p))
		}
	}()
	in = &instance{unit: u}
	in.sdk = sdk.NewInstance(u.makes(), in.offer())
	if block := in.sdk.Configure(u.doc); block != nil {
		_, records, err := abi.DecodeBlock(nil, block, 0, 0)
		if err != nil {
			return nil, fault(u.m, plugins.FaultABI, err.Error())
		}
		return nil, fault(u.m, plugins.FaultFailed, "it says: "+plugins.Clean([]byte(records[0].Message), abi.MaxMessage))
	}
	return in, nil
}

// Call runs a hook on a batch.
//
// # Errors
//
// Those of plugins.Validator. An instance that panicked is thrown away; the next call works.
func (u *Unit) Call(ctx context.Context, h plugins.Hook, b *abi.Batch, at time.Time) (plugins.Outcome, error) {
	from := time.Now()
	if err := b.Check(); err != nil {
		return plugins.Outcome{}, err
	}
	if err := ctx.Err(); err != nil {
		return plugins.Outcome{}, err
	}
	in, err := u.take()
	if err != nil {
		return plugins.Outcome{}, err
	}
	verdicts, sound, err := in.call(ctx, h, b, at)
	if sound {
		u.give(in)
	}
	if err != nil {
		return plugins.Outcome{}, err
	}
	return plugins.Outcome{Verdicts: verdicts, Elapsed: time.Since(from)}, nil
}

func (u *Unit) take() (*instance, error) {
	u.mu.Lock()
	if u.closed {
		u.mu.Unlock()
		return nil, fault(u.m, plugins.FaultLoad, "this version is retired")
	}
	if n := len(u.idle); n > 0 {
		in := u.idle[n-1]
		u.idle = u.idle[:n-1]
		u.mu.Unlock()
		return in, nil
	}
	u.mu.Unlock()
	return u.start()
}

func (u *Unit) give(in *instance) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.closed {
		u.idle = append(u.idle, in)
	}
}

// Close lets go of the instances; later calls fail.
func (u *Unit) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed, u.idle = true, nil
	return nil
}

// errService stops a plug-in whose host has failed it, as a module is stopped.
var errService = errors.New("a service of the host failed")

// call is one call; sound is false where the value may be in the middle of something.
func (in *instance) call(ctx context.Context, h plugins.Hook, b *abi.Batch, at time.Time) (verdicts []abi.Record, sound bool, err error) {
	m := in.unit.m
	defer func() {
		p := recover()
		switch {
		case p == nil:
		case in.failed != nil && ctx.Err() != nil: // the caller has given up: nobody's fault
			verdicts, sound, err = nil, false, ctx.Err()
		case in.failed != nil:
			f := fault(m, plugins.FaultHost, "a service of the host failed: "+in.failed.Error())
			f.Cause = in.failed
			verdicts, sound, err = nil, false, f
		default:
			verdicts, sound, err = nil, false, fault(m, plugins.FaultTrap, fmt.Sprintf("it panicked: %v", p))
		}
		in.ctx = nil
	}()
	in.ctx, in.served, in.counted, in.failed = ctx, -rowServices*b.Rows(), 0, nil
	if in.raw, err = b.Append(in.raw[:0]); err != nil {
		return nil, true, err
	}
	block := in.sdk.Call(h.String(), in.raw, at.UnixNano())
	if block == nil {
		return nil, true, nil
	}
	kind, records, err := abi.DecodeBlock(nil, block, b.Rows(), b.Columns())
	switch {
	case err != nil:
		return nil, true, fault(m, plugins.FaultABI, err.Error())
	case kind == abi.Failure:
		return nil, true, fault(m, plugins.FaultFailed, "it says: "+plugins.Clean([]byte(records[0].Message), abi.MaxMessage))
	}
	for i := range records {
		records[i].Message = plugins.Clean([]byte(records[i].Message), abi.MaxMessage)
	}
	return records, true, nil
}

// How many services one call may ask for, and how many more for each of its rows: as many as of a module.
const (
	maxServices = 1000
	rowServices = 2
)

// offer is what the manifest grants.
func (in *instance) offer() sdk.Services {
	u, s, c := in.unit, in.unit.services, in.unit.m.Capabilities
	var o sdk.Services
	if c.Log && s.Log != nil {
		o.Log = func(level sdk.Level, text string) {
			s.Log.Log(in.ctx, u.m.Name, min(uint32(level), abi.LevelError), plugins.Clean([]byte(text), maxLine))
		}
	}
	if len(c.MetricAdd) > 0 {
		o.Count = in.add
	}
	o.Lookup = in.lookup
	if c.KV != nil {
		o.Get, o.Put, o.Remove = in.get, in.put, in.remove
	}
	o.Post = in.post
	return o
}

// post gives a message to the outbox of the host, else to that of the call.
func (in *instance) post(endpoint string, message []byte) (ok bool, err error) {
	u := in.unit
	if !slices.Contains(u.m.Capabilities.Outbox, endpoint) {
		return false, nil
	}
	out := contract.OutboxFrom(in.ctx)
	if u.services.Outbox == nil && out == nil {
		return false, nil
	}
	if err := in.count(); err != nil { // ahead of the post: what is refused must not be sent
		return false, err
	}
	if s := u.services.Outbox; s != nil {
		ok, err = s.Put(in.ctx, u.m.Name, endpoint, message)
	} else {
		ok, err = out.Post(in.ctx, endpoint, message)
	}
	in.check(err)
	return ok, nil
}

// maxLine is what is kept of a line of log.
const maxLine = 1024

// count bounds what a call may ask for.
func (in *instance) count() error {
	if in.served++; in.served > maxServices {
		return sdk.ErrRefused
	}
	return nil
}

// defaultRows is what plugins.LookupQuery says of 0.
const defaultRows = 100

func (in *instance) lookup(query int, raw []byte) ([]byte, error) {
	declared := in.unit.m.Capabilities.Lookup
	if query < 0 || query >= len(declared) {
		return nil, sdk.ErrQuery
	}
	args, err := abi.Decode(slices.Clone(raw))
	if err != nil {
		return nil, sdk.ErrInvalid
	}
	if err := in.count(); err != nil {
		return nil, err
	}
	var b []byte
	if s := in.unit.services.Lookup; s != nil {
		b, err = s.Lookup(in.ctx, in.unit.m.Name, query, args)
	} else if store := contract.StoreFrom(in.ctx); store != nil {
		most := declared[query].MaxRows
		if most == 0 {
			most = defaultRows
		}
		b, err = store.Query(in.ctx, declared[query].SQL, args, most)
	} else {
		return nil, sdk.ErrRefused
	}
	in.check(err)
	return b, nil
}
