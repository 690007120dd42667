package wasm

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm/meter"
	"github.com/tidegate/engine/sdk/abi"
)

const (
	// slice is how much fuel a guest burns before the host looks: 10–65 µs, if its memory is in the processor's caches.
	slice = 100_000
	// leastSlice and sliceTime bound it for a guest whose memory is not, which may take fifty times as long.
	leastSlice = slice / 16
	sliceTime  = time.Millisecond
	// stackBytes bounds the native frames of a guest's calls, each taken for as large as it can be.
	stackBytes = 4 << 20
	// startFuel and startTime bound what runs before the first batch: _initialize, tg_features, tg_configure, tg_alloc.
	startFuel = 2_000_000_000
	startTime = 5 * time.Second
	// firstArena is the arena that an instance begins with.
	firstArena = 64 << 10
)

// birth is the instant of everything that runs before a batch. Go's runtime takes a clock that says zero for a broken one.
func birth() time.Time { return time.Unix(946684800, 0) }

// instance is a running copy of the module; it serves one goroutine at a time.
type instance struct {
	unit  *Unit
	mod   api.Module
	mem   api.Memory
	base  context.Context // carries the instance to the functions of the host
	funcs map[string]api.Function
	stack [4]uint64
	state           // of the call under way
	snap  *snapshot // what a reset goes back to
	vars  []api.MutableGlobal
	fuel  api.MutableGlobal
	depth api.MutableGlobal
}

// state is what one call of the guest needs and leaves.
type state struct {
	ctx    context.Context // the caller's
	at     int64           // the instant of the batch
	slept  int64
	limit  int64 // fuel
	burnt  int64
	handed int64 // the slice that the guest has
	slice  int64 // what it may be
	watch
	denied  bool // memory.grow failed
	lines   int
	metrics int
	served  int
	out     []byte
	rand    *rand.ChaCha8
}

// watch is the time of a call. What is after the beginning takes one reading of the clock, a time of day takes two.
type watch struct {
	began            time.Time
	looked, deadline time.Duration // after it
}

type instanceKey struct{}

// of finds the instance that a function of the host was called by.
func of(ctx context.Context) *instance {
	in, _ := ctx.Value(instanceKey{}).(*instance)
	return in
}

func (in *instance) fault(kind plugins.FaultKind, reason string) *plugins.Fault {
	f := fault(in.unit.m, kind, "%s", reason)
	f.Fuel = in.burnt
	return f
}

// yield is where a guest comes by after each slice, or where its frames take too much. It returns the next slice.
func (in *instance) yield(fuel, stack int64) int64 {
	in.burnt += in.handed - fuel
	in.handed = fuel // should this call end here, the rest is settled
	switch {
	case stack < 0:
		panic(in.fault(plugins.FaultStack, "calls are nested too deeply: bound the recursion"))
	case in.burnt > in.limit:
		panic(in.fault(plugins.FaultFuel, "the fuel of the call is burnt: raise limits.fuel or limits.fuel_per_row, or do less for a row"))
	}
	if err := in.ctx.Err(); err != nil {
		panic(cancelled{err})
	}
	now := time.Since(in.began)
	if now > in.deadline {
		panic(in.fault(plugins.FaultDeadline, "the call took longer than limits.deadline"))
	}
	in.slice = nextSlice(in.slice, now-in.looked)
	in.looked = now
	in.handed = min(in.slice, in.limit-in.burnt)
	return in.handed
}

// nextSlice follows a slice that took so long. The collector waits for the guest until the slice is over. How the fuel is cut changes nothing of how much is burnt, nor of
// where a guest is stopped that burns too much.
func nextSlice(was int64, took time.Duration) int64 {
	switch {
	case took > sliceTime:
		return max(was/2, leastSlice)
	case took < sliceTime/2:
		return min(was*2, slice)
	}
	return was
}

// cancelled ends a guest whose caller has given up.
type cancelled struct{ error }

func (c cancelled) Unwrap() error { return c.error }

// charge takes fuel for work that the host is about to do, and ends a call that cannot pay for it: one call of the host may be about all of the memory, many times over.
func (in *instance) charge(n int64) {
	left := int64(in.fuel.Get()) - n
	in.fuel.Set(uint64(left))
	if in.burnt+in.handed-left > in.limit {
		in.yield(left, 0)
	}
}

// settle counts what was burnt since the host looked last.
func (in *instance) settle() {
	fuel := int64(in.fuel.Get())
	in.burnt += in.handed - fuel
	in.handed = fuel
}

// begin sets the limits of a call.
func (in *instance) begin(ctx context.Context, at, began time.Time, fuel int64, d time.Duration) {
	out := in.out[:0]
	in.state = state{ctx: ctx, at: at.UnixNano(), limit: fuel, handed: min(slice, fuel), slice: slice, watch: watch{began: began, deadline: d}, out: out}
	in.fuel.Set(uint64(in.handed))
	in.depth.Set(stackBytes)
}

// invoke calls an export and sorts what may come of it. The result is on the stack.
func (in *instance) invoke(name string, args ...uint64) (uint64, error) {
	copy(in.stack[:], args)
	err := in.funcs[name].CallWithStack(in.base, in.stack[:])
	in.settle()
	if err == nil {
		if in.burnt > in.limit { // what the host charged last
			return 0, in.fault(plugins.FaultFuel, "the fuel of the call is burnt: raise limits.fuel or limits.fuel_per_row, or do less for a row")
		}
		return in.stack[0], nil
	}
	return 0, in.sort(err)
}

// sort turns an error of the runtime into a fault, or into the error of the caller's context.
func (in *instance) sort(err error) error {
	var gone cancelled
	if errors.As(err, &gone) {
		return gone.error
	}
	var f *plugins.Fault
	if errors.As(err, &f) {
		f.Fuel = in.burnt
		return f
	}
	kind, reason := plugins.FaultTrap, firstLines(err.Error(), 12)
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		reason = "it ended itself"
	}
	if in.denied {
		kind, reason = plugins.FaultOutOfMemory, "it needed more than limits.memory_pages: raise them, or hold less"
	}
	if len(in.out) > 0 {
		reason += "; it wrote: " + clean([]byte(plugins.BaseNames(string(wholeLines(in.out)))), 1024)
	}
	return in.fault(kind, reason)
}

// wholeLines drops the rest of a line whose beginning was not kept.
func wholeLines(out []byte) []byte {
	if len(out) == maxOutput {
		_, out, _ = bytes.Cut(out, []byte("\n"))
	}
	return out
}

// firstLines keeps the beginning of a stack trace.
func firstLines(s string, n int) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(plugins.BaseNames(lines[i]))
	}
	return clean([]byte(strings.Join(lines[:min(n, len(lines))], ", ")), 1024)
}

// snapshot is the state after the start: memory and globals, and where the arena is.
type snapshot struct {
	mem   []byte
	vars  []uint64
	arena uint32
	room  uint32
}

func (in *instance) take(arena, room uint32) *snapshot {
	b, _ := in.mem.Read(0, in.mem.Size())
	s := &snapshot{mem: append([]byte(nil), b...), arena: arena, room: room}
	for _, g := range in.vars {
		s.vars = append(s.vars, g.Get())
	}
	return s
}

// restore goes back to the snapshot; false where the memory has grown since, which cannot be undone.
func (in *instance) restore(s *snapshot) bool {
	if int(in.mem.Size()) != len(s.mem) {
		return false
	}
	b, _ := in.mem.Read(0, in.mem.Size())
	copy(b, s.mem)
	for i, g := range in.vars {
		g.Set(s.vars[i])
	}
	in.snap = s
	return true
}

// adopt brings a fresh instance to a snapshot of another one.
func (in *instance) adopt(s *snapshot) bool {
	have := int(in.mem.Size())
	if have > len(s.mem) {
		return false
	}
	if more := (len(s.mem) - have) >> 16; more > 0 {
		if _, ok := in.mem.Grow(uint32(more)); !ok {
			return false
		}
	}
	return in.restore(s)
}

// boot runs what comes before the first batch and takes the snapshot.
func (in *instance) boot(ctx context.Context) error {
	in.begin(ctx, birth(), time.Now(), startFuel, startTime)
	if in.funcs[abi.ExportInitialize] != nil {
		if _, err := in.invoke(abi.ExportInitialize); err != nil {
			return err
		}
	}
	if in.funcs[abi.ExportFeatures] != nil {
		need, err := in.invoke(abi.ExportFeatures, abi.HostFeatures)
		if err != nil {
			return err
		}
		if missing := need &^ abi.HostFeatures; missing != 0 {
			return in.fault(plugins.FaultLoad, "it needs features of the ABI that this engine lacks: use a newer engine")
		}
	}
	if err := in.allocate(firstArena); err != nil {
		return err
	}
	doc := in.unit.doc
	if in.funcs[abi.ExportConfigure] != nil && len(doc) > 0 {
		if err := in.roomFor(len(doc)); err != nil {
			return err
		}
		if !in.mem.Write(in.snap.arena, doc) {
			return in.fault(plugins.FaultABI, "tg_alloc gave memory that there is not")
		}
		r, err := in.invoke(abi.ExportConfigure, uint64(in.snap.arena), uint64(len(doc)))
		if err != nil {
			return err
		}
		if r != 0 {
			if _, _, err := in.block(r, 0, 0); err != nil {
				return err
			}
			return in.fault(plugins.FaultABI, "tg_configure may answer 0 or an error")
		}
	}
	in.snap = in.take(in.snap.arena, in.snap.room)
	return nil
}

// roomFor makes the arena larger while the instance boots.
func (in *instance) roomFor(n int) error {
	if uint32(n) <= in.snap.room {
		return nil
	}
	return in.allocate(uint32(n))
}

// allocate asks the guest for an arena.
func (in *instance) allocate(n uint32) error {
	r, err := in.invoke(abi.ExportAlloc, uint64(n))
	if err != nil {
		return err
	}
	ptr := uint32(r)
	switch {
	case ptr == 0:
		return in.fault(plugins.FaultOutOfMemory, "tg_alloc refused the memory that the batch needs: raise limits.memory_pages")
	case ptr%8 != 0 || uint64(ptr)+uint64(n) > uint64(in.mem.Size()):
		return in.fault(plugins.FaultABI, "tg_alloc gave memory that there is not, or an address that is no multiple of 8")
	}
	in.snap = &snapshot{arena: ptr, room: n}
	return nil
}

// grow makes the arena of a clean instance large enough for a batch, and takes the snapshot anew.
func (in *instance) grow(ctx context.Context, n int) error {
	if n > abi.MaxBatch {
		return in.fault(plugins.FaultOutOfMemory, "the batch is larger than the ABI allows")
	}
	room := uint64(in.snap.room)
	for room < uint64(n) {
		room *= 2
	}
	in.begin(ctx, birth(), time.Now(), startFuel, startTime)
	if err := in.allocate(uint32(room)); err != nil {
		return err // the snapshot is still the one before
	}
	in.snap = in.take(in.snap.arena, in.snap.room)
	return nil
}

// ask encodes the batch into the arena, calls the hook and reads its answer.
func (in *instance) ask(export string, b *abi.Batch) ([]abi.Record, error) {
	mem, ok := in.mem.Read(in.snap.arena, in.snap.room)
	if !ok {
		return nil, in.fault(plugins.FaultABI, "the arena is gone")
	}
	n, err := b.Encode(mem)
	if err != nil {
		return nil, err
	}
	r, err := in.invoke(export, uint64(in.snap.arena), uint64(n))
	if err != nil || r == 0 {
		return nil, err
	}
	kind, records, err := in.block(r, b.Rows(), b.Columns())
	if err != nil {
		return nil, err
	}
	if want := abi.Actions; kind != want && export != abi.ExportValidate || kind != abi.Verdicts && export == abi.ExportValidate {
		return nil, in.fault(plugins.FaultABI, export+" answered with the wrong kind of block")
	}
	return records, nil
}

// block copies a result block out of the guest and reads it; one of kind error comes back as a fault.
func (in *instance) block(r uint64, rows, cols int) (abi.Kind, []abi.Record, error) {
	ptr, n := uint32(r>>32), uint32(r)
	if n > abi.MaxBlock {
		return 0, nil, in.fault(plugins.FaultABI, "a result block is larger than the ABI allows")
	}
	raw, ok := in.mem.Read(ptr, n)
	if !ok {
		return 0, nil, in.fault(plugins.FaultABI, "a result block lies outside of the memory")
	}
	kind, records, err := abi.DecodeBlock(nil, raw, rows, cols)
	if err != nil {
		f := in.fault(plugins.FaultABI, err.Error())
		return 0, nil, f
	}
	for i := range records {
		records[i].Message = clean([]byte(records[i].Message), abi.MaxMessage)
	}
	if kind == abi.Failure {
		return 0, nil, in.fault(plugins.FaultFailed, "it says: "+records[0].Message)
	}
	return kind, records, nil
}

// bind looks the exports up once.
func (in *instance) bind(globals []string) {
	in.funcs = map[string]api.Function{}
	for name := range exportTypes() {
		if f := in.mod.ExportedFunction(name); f != nil {
			in.funcs[name] = f
		}
	}
	variable := func(name string) api.MutableGlobal {
		g, _ := in.mod.ExportedGlobal(name).(api.MutableGlobal)
		return g
	}
	in.fuel, in.depth = variable(meter.ExportFuel), variable(meter.ExportStack)
	for _, name := range globals {
		in.vars = append(in.vars, variable(name))
	}
}
