package hostilesql

import (
	"math/rand/v2"
	"strings"
	"unicode"
)

// maxLength bounds what mutation makes: a statement longer than this is refused by its length, and that is tried enough.
const maxLength = 200_000

// Mutate makes a statement of others: it cuts, repeats, nests and mixes their words.
func Mutate(rng *rand.Rand, corpus []string) string {
	pick := func() []string { return tokens(corpus[rng.IntN(len(corpus))]) }
	words := pick()
	for range 1 + rng.IntN(4) {
		if len(words) == 0 {
			words = pick()
			continue
		}
		at := rng.IntN(len(words))
		end := at + 1 + rng.IntN(min(8, len(words)-at))
		switch rng.IntN(9) {
		case 0: // leave something out
			words = append(append([]string{}, words[:at]...), words[end:]...)
		case 1: // say it again, and again
			n := min(1<<rng.IntN(10), 40_000/(end-at))
			words = splice(words, at, at, repeat(words[at:end], n))
		case 2: // words of another one
			other := pick()
			if len(other) > 0 {
				from := rng.IntN(len(other))
				words = splice(words, at, end, other[from:min(len(other), from+1+rng.IntN(20))])
			}
		case 3: // another number
			words = splice(words, at, at+1, []string{odd[rng.IntN(len(odd))]})
		case 4: // one inside the other
			words = splice(words, at, at+1, append(append([]string{"("}, pick()...), ")"))
		case 5: // a function around it
			words = splice(words, at, end, append(append([]string{functions[rng.IntN(len(functions))], "("}, words[at:end]...), ")"))
		case 6: // noise
			noise := make([]byte, 1+rng.IntN(8))
			for i := range noise {
				noise[i] = byte(rng.UintN(256))
			}
			words = splice(words, at, at, []string{string(noise)})
		case 7: // two of them
			words = append(append(append([]string{}, words...), " UNION ALL "), pick()...)
		default: // another order
			to := rng.IntN(len(words))
			words = append([]string{}, words...)
			words[at], words[to] = words[to], words[at]
		}
	}
	sql := strings.Join(words, "")
	return sql[:min(len(sql), maxLength)]
}

var (
	odd = [...]string{"-1", "0", "1", "2147483647", "2147483648", "-2147483649", "4294967296", "9223372036854775807", "-9223372036854775808", "1e308", "9e999", "NULL", "''", "x''",
		"zeroblob(8000000)", "randomblob(4000000)", "printf('%.*c', 4000000, 'a')", "(SELECT a FROM victim)", "?1", "*", "'%'", "char(0)", "x'ff'", "current_timestamp", "random()"}
	functions = [...]string{"abs", "hex", "quote", "length", "instr", "replace", "trim", "printf", "json", "jsonb", "json_each", "json_extract", "json_group_array", "group_concat", "max", "count", "sum", "substr", "zeroblob",
		"randomblob", "like", "glob", "soundex", "strftime", "unhex", "unistr", "round", "typeof", "nullif", "iif", "row_number", "lag", "json_patch", "json_set", "rtreecheck", "highlight", "concat", "char"}
)

func splice(words []string, from, to int, in []string) []string {
	out := make([]string, 0, len(words)+len(in))
	out = append(out, words[:from]...)
	out = append(out, in...)
	return append(out, words[to:]...)
}

func repeat(words []string, n int) []string {
	out := make([]string, 0, len(words)*n)
	for range n {
		out = append(out, words...)
	}
	return out
}

// tokens cuts SQL into words, blanks, quoted texts and single signs. Nothing is lost.
func tokens(sql string) []string {
	sql = sql[:min(len(sql), maxLength)]
	var out []string
	for len(sql) > 0 {
		n := 1
		switch c := sql[0]; {
		case c == '\'' || c == '"':
			if end := strings.IndexByte(sql[1:], c); end >= 0 {
				n = end + 2
			}
		case c < 128 && (unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c)) || c == '_'):
			for n < len(sql) && sql[n] < 128 && (unicode.IsLetter(rune(sql[n])) || unicode.IsDigit(rune(sql[n])) || sql[n] == '_') {
				n++
			}
		}
		out = append(out, sql[:n])
		sql = sql[n:]
	}
	return out
}
