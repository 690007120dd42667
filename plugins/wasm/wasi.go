package wasm

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

// Errors of WASI.
const (
	wasiSuccess = 0
	wasiBadFD   = 8
	wasiFault   = 21
	wasiInvalid = 28
)

// wasiFunc answers one import: the parameters are on the stack, and the result goes to its first place.
type wasiFunc struct {
	types string
	call  func(in *instance, mem api.Memory, stack []uint64) uint64
}

// wasiFuncs are what the runtimes of Go and of C libraries import. There are no files: every descriptor but 1 and 2 is unknown.
func wasiFuncs() map[string]wasiFunc {
	none := func(*instance, api.Memory, []uint64) uint64 { return wasiSuccess }
	badFD := func(*instance, api.Memory, []uint64) uint64 { return wasiBadFD }
	return map[string]wasiFunc{
		"sched_yield":         {":i", none},
		"proc_exit":           {"i:", exit},
		"args_get":            {"ii:i", none},
		"args_sizes_get":      {"ii:i", noStrings},
		"environ_get":         {"ii:i", none},
		"environ_sizes_get":   {"ii:i", noStrings},
		"clock_time_get":      {"ili:i", clockTime},
		"clock_res_get":       {"ii:i", clockResolution},
		"random_get":          {"ii:i", random},
		"poll_oneoff":         {"iiii:i", poll},
		"fd_write":            {"iiii:i", write},
		"fd_close":            {"i:i", badFD},
		"fd_read":             {"iiii:i", badFD},
		"fd_seek":             {"ilii:i", badFD},
		"fd_fdstat_get":       {"ii:i", descriptor},
		"fd_fdstat_set_flags": {"ii:i", badFD},
		"fd_prestat_get":      {"ii:i", badFD},
		"fd_prestat_dir_name": {"iii:i", badFD},
	}
}

func wasiTypes() map[string]string {
	out := map[string]string{}
	for name, f := range wasiFuncs() {
		out[name] = f.types
	}
	return out
}

// exit ends the call, not the instance: that starts again from its snapshot.
func exit(_ *instance, _ api.Memory, stack []uint64) uint64 {
	panic(sys.NewExitError(uint32(stack[0])))
}

func noStrings(_ *instance, mem api.Memory, stack []uint64) uint64 {
	if !mem.WriteUint32Le(uint32(stack[0]), 0) || !mem.WriteUint32Le(uint32(stack[1]), 0) {
		return wasiFault
	}
	return wasiSuccess
}

// clockTime is the instant of the batch, whichever clock is asked: a clock that moves would make rules depend on the machine, and one that moves by a fixed
// step for each look upsets the garbage collector of Go guests.
func clockTime(in *instance, mem api.Memory, stack []uint64) uint64 {
	if !mem.WriteUint64Le(uint32(stack[2]), uint64(in.at+in.slept)) {
		return wasiFault
	}
	return wasiSuccess
}

func clockResolution(_ *instance, mem api.Memory, stack []uint64) uint64 {
	if !mem.WriteUint64Le(uint32(stack[1]), 1) {
		return wasiFault
	}
	return wasiSuccess
}

// random gives each call the same numbers, made of the module's hash.
func random(in *instance, mem api.Memory, stack []uint64) uint64 {
	b, ok := mem.Read(uint32(stack[0]), uint32(stack[1]))
	if !ok {
		return wasiFault
	}
	in.charge(int64(len(b) / 8))
	if in.rand == nil {
		in.rand = rand.NewChaCha8(in.unit.seed)
	}
	_, _ = in.rand.Read(b)
	return wasiSuccess
}

// poll knows clocks only, and says at once that their time has come: the clock of the call goes on by what was to be slept, so that a guest that sleeps ends.
func poll(in *instance, mem api.Memory, stack []uint64) uint64 {
	n := uint32(stack[2])
	if n == 0 || n > 64 {
		return wasiInvalid
	}
	in.charge(int64(n) * 100)
	for i := range n {
		sub, ok := mem.Read(uint32(stack[0])+48*i, 48)
		event, ok2 := mem.Read(uint32(stack[1])+32*i, 32)
		if !ok || !ok2 {
			return wasiFault
		}
		le := binary.LittleEndian
		user, kind, code := le.Uint64(sub), sub[8], uint16(wasiSuccess)
		if kind == 0 {
			timeout, absolute := int64(le.Uint64(sub[24:])), le.Uint16(sub[40:])&1 != 0
			if absolute {
				timeout -= in.at + in.slept
			}
			in.slept += max(0, min(timeout, int64(maxSleep)))
		} else {
			code = wasiBadFD
		}
		clear(event)
		le.PutUint64(event, user)
		le.PutUint16(event[8:], code)
		event[10] = kind
	}
	if !mem.WriteUint32Le(uint32(stack[3]), n) {
		return wasiFault
	}
	return wasiSuccess
}

// write keeps what goes to standard output and error.
func write(in *instance, mem api.Memory, stack []uint64) uint64 {
	if fd := uint32(stack[0]); fd != 1 && fd != 2 {
		return wasiBadFD
	}
	n := uint32(stack[2])
	if n > 1024 {
		return wasiInvalid
	}
	total := uint32(0)
	for i := range n {
		at, ok := mem.ReadUint32Le(uint32(stack[1]) + 8*i)
		size, ok2 := mem.ReadUint32Le(uint32(stack[1]) + 8*i + 4)
		b, ok3 := mem.Read(at, size)
		if !ok || !ok2 || !ok3 {
			return wasiFault
		}
		in.charge(int64(size/8) + 50)
		in.output(b)
		total += size
	}
	if !mem.WriteUint32Le(uint32(stack[3]), total) {
		return wasiFault
	}
	return wasiSuccess
}

// descriptor describes 0, 1 and 2 as a terminal would, without any right but that to write.
func descriptor(_ *instance, mem api.Memory, stack []uint64) uint64 {
	if uint32(stack[0]) > 2 {
		return wasiBadFD
	}
	b, ok := mem.Read(uint32(stack[1]), 24)
	if !ok {
		return wasiFault
	}
	clear(b)
	b[0] = 2 // a character device
	b[8] = 1 << 6
	return wasiSuccess
}
