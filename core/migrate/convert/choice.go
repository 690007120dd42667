package convert

import (
	"strconv"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
)

// boolMapping makes 0 and 1 of words. Without arguments it reads the usual words in any case and writes true and false; with two it knows
// these alone, as they are written.
func boolMapping(args []argument, from, to affinity) (mapping, string) {
	words := choice{"true": 1, "false": 0, "t": 1, "f": 0, "yes": 1, "no": 0, "y": 1, "n": 0, "on": 1, "off": 0, "1": 1, "0": 0}
	names := map[int64]string{1: "true", 0: "false"}
	fold := true
	switch len(args) {
	case 0:
	case 2:
		words, fold = choice{args[0].left: 1, args[1].left: 0}, false
		names = map[int64]string{1: args[0].left, 0: args[1].left}
		if len(words) != 2 {
			return mapping{}, "the two words of bool must differ"
		}
	default:
		return mapping{}, "codec bool takes no words or two, as in bool(Y,N)"
	}
	store := func(v sqlite.Value) (sqlite.Value, string) { return words.find(v, fold) }
	write := func(v sqlite.Value) (sqlite.Value, string) { return name(names, v) }
	switch {
	case from == asInteger && to == asInteger:
		return mapping{store, store}, "" // nothing but 0 and 1 may stay
	case to == asInteger:
		return mapping{store, write}, ""
	case from == asInteger && to == asText:
		return mapping{write, store}, ""
	}
	return unsupported("bool", from, to)
}

// choice is what words stand for.
type choice map[string]int64

func (c choice) find(v sqlite.Value, fold bool) (sqlite.Value, string) {
	switch v.Type {
	case sqlite.Integer:
		if v.Int == 0 || v.Int == 1 {
			return v, ""
		}
	case sqlite.Text:
		s := string(v.Bytes)
		if fold {
			s = strings.ToLower(s)
		}
		if n, ok := c[s]; ok {
			return integer(n), ""
		}
	}
	return lost("it is neither true nor false")
}

func name(names map[int64]string, v sqlite.Value) (sqlite.Value, string) {
	if v.Type == sqlite.Integer {
		if s, ok := names[v.Int]; ok {
			return textValue(s), ""
		}
	}
	return lost("it is none of the values of the list")
}

// enumMapping replaces the values of a list, enum(BUY=1, SELL=2), and knows no others. Where two on the left mean one on the right, the
// first is the one that is written.
func enumMapping(args []argument, from, to affinity) (mapping, string) {
	if len(args) == 0 {
		return mapping{}, "codec enum takes a list, as in enum(BUY=1, SELL=2)"
	}
	there, back := map[string]sqlite.Value{}, map[string]sqlite.Value{}
	for _, a := range args {
		if !a.pair {
			return mapping{}, "each item of enum is a pair, as in BUY=1"
		}
		l, okl := listed(a.left, from)
		r, okr := listed(a.right, to)
		if !okl || !okr {
			return mapping{}, "an item of enum is no integer where its side is an INTEGER"
		}
		if _, twice := there[key(l)]; twice {
			return mapping{}, "an item of enum stands there twice"
		}
		there[key(l)] = r
		if _, known := back[key(r)]; !known {
			back[key(r)] = l
		}
	}
	return mapping{lookup(there), lookup(back)}, ""
}

// listed is an item of a list as the value of a column.
func listed(s string, a affinity) (sqlite.Value, bool) {
	if a != asInteger && a != asNumeric {
		return textValue(s), true
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return textValue(s), a == asNumeric
	}
	return integer(n), true
}

// key tells values of different storage classes apart.
func key(v sqlite.Value) string {
	if v.Type == sqlite.Integer {
		return "i" + strconv.FormatInt(v.Int, 10)
	}
	return v.Type.String() + string(v.Bytes)
}

func lookup(list map[string]sqlite.Value) function {
	return func(v sqlite.Value) (sqlite.Value, string) {
		if v.Type == sqlite.Integer || v.Type == sqlite.Text {
			if out, ok := list[key(v)]; ok {
				return out, ""
			}
		}
		return lost("it is none of the values of the list")
	}
}
