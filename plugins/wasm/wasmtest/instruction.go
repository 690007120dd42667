package wasmtest

import (
	"fmt"
	"strconv"
	"strings"
)

// numeric holds the names of the instructions 0x45 … 0xc4, in order.
const numeric = `i32.eqz i32.eq i32.ne i32.lt_s i32.lt_u i32.gt_s i32.gt_u i32.le_s i32.le_u i32.ge_s i32.ge_u
i64.eqz i64.eq i64.ne i64.lt_s i64.lt_u i64.gt_s i64.gt_u i64.le_s i64.le_u i64.ge_s i64.ge_u
f32.eq f32.ne f32.lt f32.gt f32.le f32.ge f64.eq f64.ne f64.lt f64.gt f64.le f64.ge
i32.clz i32.ctz i32.popcnt i32.add i32.sub i32.mul i32.div_s i32.div_u i32.rem_s i32.rem_u i32.and i32.or i32.xor i32.shl i32.shr_s i32.shr_u i32.rotl i32.rotr
i64.clz i64.ctz i64.popcnt i64.add i64.sub i64.mul i64.div_s i64.div_u i64.rem_s i64.rem_u i64.and i64.or i64.xor i64.shl i64.shr_s i64.shr_u i64.rotl i64.rotr
f32.abs f32.neg f32.ceil f32.floor f32.trunc f32.nearest f32.sqrt f32.add f32.sub f32.mul f32.div f32.min f32.max f32.copysign
f64.abs f64.neg f64.ceil f64.floor f64.trunc f64.nearest f64.sqrt f64.add f64.sub f64.mul f64.div f64.min f64.max f64.copysign
i32.wrap_i64 i32.trunc_f32_s i32.trunc_f32_u i32.trunc_f64_s i32.trunc_f64_u i64.extend_i32_s i64.extend_i32_u i64.trunc_f32_s i64.trunc_f32_u i64.trunc_f64_s i64.trunc_f64_u
f32.convert_i32_s f32.convert_i32_u f32.convert_i64_s f32.convert_i64_u f32.demote_f64 f64.convert_i32_s f64.convert_i32_u f64.convert_i64_s f64.convert_i64_u f64.promote_f32
i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64 i32.extend8_s i32.extend16_s i64.extend8_s i64.extend16_s i64.extend32_s`

// memory holds the names of 0x28 … 0x3e, in order, and the logarithm of their alignment.
const memory = `i32.load:2 i64.load:3 f32.load:2 f64.load:3 i32.load8_s:0 i32.load8_u:0 i32.load16_s:1 i32.load16_u:1 i64.load8_s:0 i64.load8_u:0 i64.load16_s:1 i64.load16_u:1
i64.load32_s:2 i64.load32_u:2 i32.store:2 i64.store:3 f32.store:2 f64.store:3 i32.store8:0 i32.store16:1 i64.store8:0 i64.store16:1 i64.store32:2`

// opcodes are the instructions without immediates, or with fixed ones.
func opcodes() map[string][]byte {
	out := map[string][]byte{
		"unreachable": {0x00}, "nop": {0x01}, "else": {0x05}, "return": {0x0f}, "drop": {0x1a}, "select": {0x1b},
		"memory.size": {0x3f, 0}, "memory.grow": {0x40, 0}, "memory.copy": {0xfc, 10, 0, 0}, "memory.fill": {0xfc, 11, 0}, "table.copy": {0xfc, 14, 0, 0},
	}
	for i, name := range strings.Fields(numeric) {
		out[name] = []byte{byte(0x45 + i)}
	}
	return out
}

// indexed holds instructions with one number, the bytes before and after it.
func indexed(op string) (before, after []byte) {
	switch op {
	case "br":
		return []byte{0x0c}, nil
	case "br_if":
		return []byte{0x0d}, nil
	case "local.get":
		return []byte{0x20}, nil
	case "local.set":
		return []byte{0x21}, nil
	case "local.tee":
		return []byte{0x22}, nil
	case "global.get":
		return []byte{0x23}, nil
	case "global.set":
		return []byte{0x24}, nil
	case "memory.init":
		return []byte{0xfc, 8}, []byte{0}
	case "data.drop":
		return []byte{0xfc, 9}, nil
	case "table.init":
		return []byte{0xfc, 12}, []byte{0}
	case "elem.drop":
		return []byte{0xfc, 13}, nil
	}
	return nil, nil
}

func (a *assembler) instruction(f []string) error {
	op := f[0]
	switch op {
	case "block", "loop", "if":
		return a.block(f)
	case "end":
		a.body = append(a.body, 0x0b)
		if a.depth--; a.depth == 0 {
			a.bodies = append(a.bodies, append(leb(nil, uint64(len(a.body))), a.body...))
		}
		return nil
	case "raw":
		b, err := raw(f[1:])
		a.body = append(a.body, b...)
		return err
	case "br_table":
		a.body = leb(append(a.body, 0x0e), uint64(len(f)-2))
		return a.numbers(f[1:])
	case "call":
		fn, err := a.fn(f[1])
		a.body = leb(append(a.body, 0x10), uint64(fn))
		return err
	case "call_indirect":
		typ, _, err := a.signature(f[1:])
		a.body = append(leb(append(a.body, 0x11), uint64(typ)), 0)
		return err
	case "i32.const", "i64.const", "f32.const", "f64.const":
		c, err := constant(op, f[1])
		a.body = append(a.body, c...)
		return err
	}
	if b := a.opcodes[op]; b != nil {
		a.body = append(a.body, b...)
		return nil
	}
	if before, after := indexed(op); before != nil {
		a.body = append(a.body, before...)
		err := a.numbers(f[1:2])
		a.body = append(a.body, after...)
		return err
	}
	return a.access(f)
}

func (a *assembler) numbers(f []string) error {
	for _, s := range f {
		v, err := strconv.ParseUint(s, 0, 32)
		if err != nil {
			return err
		}
		a.body = leb(a.body, v)
	}
	return nil
}

// block takes no type, one result, or a signature.
func (a *assembler) block(f []string) error {
	a.depth++
	a.body = append(a.body, map[string]byte{"block": 2, "loop": 3, "if": 4}[f[0]])
	switch {
	case len(f) == 1:
		a.body = append(a.body, 0x40)
	case f[1] == "(":
		typ, _, err := a.signature(f[1:])
		a.body = sleb(a.body, int64(typ))
		return err
	default:
		t, err := valType(f[1])
		a.body = append(a.body, t)
		return err
	}
	return nil
}

// access is a load or a store; a number after it is the offset.
func (a *assembler) access(f []string) error {
	for i, n := range strings.Fields(memory) {
		op, align, _ := strings.Cut(n, ":")
		if op != f[0] {
			continue
		}
		a.body = append(a.body, byte(0x28+i), align[0]-'0')
		if len(f) > 1 {
			return a.numbers(f[1:2])
		}
		a.body = append(a.body, 0)
		return nil
	}
	return fmt.Errorf("unknown instruction")
}
