package wasm

import (
	"bytes"
	"context"
	"math"

	"github.com/tetratelabs/wazero/api"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// Caps of what a guest may say and ask in one call. What is over them is dropped or refused, never an error: a rule that logs too much still judges.
const (
	maxLogLines  = 64
	maxLogBytes  = 1024 // of a line
	maxOutput    = 4096 // of standard output and error, the last of it
	maxKey       = 256
	maxValue     = 64 << 10
	maxMetric    = 100
	maxServices  = 1000 // calls of lookup, kv and outbox, besides
	rowServices  = 2    // those of each row: a rule that counts reads and writes a value for each of its keys
	maxSleep     = 1_000_000_000
	serviceCost  = 2000 // what a call of a service costs in fuel, besides its bytes
	logCost      = 200
	maxMetricAdd = 1000
)

// capability answers one import of module tg; the result, if there is one, goes to the first place of the stack.
type capability struct {
	types string
	call  func(ctx context.Context, in *instance, mem api.Memory, stack []uint64) int64
}

func capabilities() map[string]capability {
	return map[string]capability{
		abi.CapLog:       {"iii:", capLog},
		abi.CapMetricAdd: {"iid:", capMetric},
		abi.CapNow:       {":l", func(_ context.Context, in *instance, _ api.Memory, _ []uint64) int64 { return in.at }},
		abi.CapLookup:    {"iiiii:l", capLookup},
		abi.CapKVGet:     {"iiii:l", capGet},
		abi.CapKVPut:     {"iiii:l", capPut},
		abi.CapOutboxPut: {"iiii:l", capOutbox},
	}
}

func capabilityTypes() map[string]string {
	out := map[string]string{}
	for name, c := range capabilities() {
		out[name] = c.types
	}
	return out
}

// read returns bytes of the guest; a pointer that is out of range is an ABI fault.
func (in *instance) read(mem api.Memory, ptr, n uint64) []byte {
	b, ok := mem.Read(uint32(ptr), uint32(n))
	if !ok {
		panic(in.fault(plugins.FaultABI, "a call of the host names memory that there is not"))
	}
	in.charge(int64(len(b) / 8))
	return b
}

// answer writes a value where it fits.
func (in *instance) answer(mem api.Memory, b []byte, out, room uint64) int64 {
	if uint64(len(b)) <= uint64(uint32(room)) {
		copy(in.read(mem, out, uint64(len(b))), b)
	}
	return int64(len(b))
}

// service counts a call of a service and says whether it may go on.
func (in *instance) service() bool {
	in.charge(serviceCost)
	in.served++
	return in.served <= maxServices
}

// failed ends a call whose host has failed it. Where the caller has given up meanwhile, that is nobody's fault.
func (in *instance) failed(err error) {
	if gone := in.ctx.Err(); gone != nil {
		panic(cancelled{gone})
	}
	f := in.fault(plugins.FaultHost, "a service of the host failed: "+err.Error())
	f.Cause = err
	panic(f)
}

// clean is plugins.Clean.
func clean(b []byte, most int) string { return plugins.Clean(b, most) }

func capLog(ctx context.Context, in *instance, mem api.Memory, stack []uint64) int64 {
	b := in.read(mem, stack[1], stack[2])
	in.charge(logCost)
	in.log(ctx, min(uint32(stack[0]), abi.LevelError), b)
	return 0
}

// log hands a line on while there are lines left.
func (in *instance) log(ctx context.Context, level uint32, b []byte) {
	if in.lines >= maxLogLines {
		return
	}
	in.lines++
	if l := in.unit.host.o.Services.Log; l != nil {
		l.Log(ctx, in.unit.m.Name, level, clean(b, maxLogBytes))
	}
}

// output keeps the end of what goes to standard output and error, and logs it line by line where log is granted.
func (in *instance) output(b []byte) {
	if in.unit.m.Capabilities.Log {
		for line := range bytes.Lines(b) {
			if in.lines >= maxLogLines {
				break // a write may have millions
			}
			line = bytes.TrimRight(line[:min(len(line), 2*maxLogBytes)], "\n")
			in.log(in.ctx, abi.LevelInfo, []byte(plugins.BaseNames(string(line)))) // of a panic, mostly
		}
	}
	if len(b) > maxOutput {
		b = b[len(b)-maxOutput:]
	}
	if over := len(in.out) + len(b) - maxOutput; over > 0 {
		in.out = in.out[:copy(in.out, in.out[over:])]
	}
	in.out = append(in.out, b...)
}

func capMetric(ctx context.Context, in *instance, mem api.Memory, stack []uint64) int64 {
	name := in.read(mem, stack[0], uint64(min(uint32(stack[1]), maxMetric+1))) // the upper half of an i32 on the stack is anything
	in.charge(logCost)
	delta := math.Float64frombits(stack[2])
	in.metrics++
	if len(name) <= maxMetric && in.metrics <= maxMetricAdd && !math.IsNaN(delta) && !math.IsInf(delta, 0) {
		in.unit.host.o.Services.Count(ctx, in.unit.m, string(name), delta)
	}
	return 0
}

func capLookup(ctx context.Context, in *instance, mem api.Memory, stack []uint64) int64 {
	query := uint32(stack[0])
	if uint64(query) >= uint64(len(in.unit.m.Capabilities.Lookup)) {
		return abi.StatusInvalid
	}
	args, err := abi.Decode(bytes.Clone(in.read(mem, stack[1], stack[2])))
	if err != nil || args.Len() < 1 {
		return abi.StatusInvalid
	}
	s := in.unit.host.o.Services.Lookup
	if store := contract.StoreFrom(ctx); s == nil && store != nil {
		s = storeLookup{store, in.unit.m.Capabilities.Lookup[query]}
	}
	if s == nil || !in.service() {
		return abi.StatusRefused
	}
	timed, cancel := context.WithDeadline(ctx, in.began.Add(in.deadline)) // the guest cannot be stopped while it waits for a query
	defer cancel()
	b, err := s.Lookup(timed, in.unit.m.Name, int(query), args)
	if err != nil {
		if ctx.Err() == nil && timed.Err() != nil {
			panic(in.fault(plugins.FaultDeadline, "a query took longer than limits.deadline"))
		}
		in.failed(err)
	}
	return in.answer(mem, b, stack[3], stack[4])
}

// storeLookup answers from the transaction that is judged.
type storeLookup struct {
	store contract.Store
	query plugins.LookupQuery
}

// Lookup implements plugins.Lookup.
func (l storeLookup) Lookup(ctx context.Context, _ string, _ int, args abi.Rows) ([]byte, error) {
	most := l.query.MaxRows
	if most == 0 {
		most = defaultLookupRows
	}
	return l.store.Query(ctx, l.query.SQL, args, most)
}

// defaultLookupRows is what plugins.LookupQuery says of 0.
const defaultLookupRows = 100

func capGet(ctx context.Context, in *instance, mem api.Memory, stack []uint64) int64 {
	name := in.read(mem, stack[0], stack[1])
	if len(name) == 0 || len(name) > maxKey {
		return abi.StatusInvalid
	}
	key := string(name)
	s := in.unit.host.o.Services.Keep(ctx, in.unit.m)
	switch {
	case s == nil || !in.service():
		return abi.StatusRefused
	}
	b, ok, err := s.Get(ctx, in.unit.m.Name, key)
	if err != nil {
		in.failed(err)
	}
	if !ok {
		return abi.StatusNone
	}
	return in.answer(mem, b, stack[2], stack[3])
}

func capPut(ctx context.Context, in *instance, mem api.Memory, stack []uint64) int64 {
	name, raw := in.read(mem, stack[0], stack[1]), in.read(mem, stack[2], stack[3])
	if len(name) == 0 || len(name) > maxKey || len(raw) > maxValue {
		return abi.StatusInvalid
	}
	key, value := string(name), bytes.Clone(raw)
	s := in.unit.host.o.Services.Keep(ctx, in.unit.m)
	switch {
	case s == nil || !in.service():
		return abi.StatusRefused
	}
	ok, err := true, error(nil)
	if uint32(stack[2]) == 0 {
		err = s.Delete(ctx, in.unit.m.Name, key)
	} else {
		ok, err = s.Put(ctx, in.unit.m.Name, key, value)
	}
	if err != nil {
		in.failed(err)
	}
	if !ok {
		return abi.StatusRefused
	}
	return 0
}

func capOutbox(ctx context.Context, in *instance, mem api.Memory, stack []uint64) int64 {
	name, raw := in.read(mem, stack[0], stack[1]), in.read(mem, stack[2], stack[3])
	if len(name) > maxKey || len(raw) > maxValue {
		return abi.StatusInvalid
	}
	endpoint, body := string(name), bytes.Clone(raw)
	granted := false
	for _, e := range in.unit.m.Capabilities.Outbox {
		granted = granted || e == endpoint
	}
	s := in.unit.host.o.Services.Outbox
	if out := contract.OutboxFrom(ctx); s == nil && out != nil {
		s = alertOutbox{out}
	}
	if !granted || s == nil || !in.service() {
		return abi.StatusRefused
	}
	ok, err := s.Put(ctx, in.unit.m.Name, endpoint, body)
	if err != nil {
		in.failed(err)
	}
	if !ok {
		return abi.StatusRefused
	}
	return 0
}

// alertOutbox is that of the call, where alerts are passed on.
type alertOutbox struct{ contract.Outbox }

// Put implements plugins.Outbox.
func (o alertOutbox) Put(ctx context.Context, _, endpoint string, body []byte) (bool, error) {
	return o.Post(ctx, endpoint, body)
}
