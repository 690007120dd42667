package config

import "strings"

// nearest returns the candidate that was probably meant, "" when none is near. One whose last part is the same, or that contains
// what was given, counts as near whatever its section is.
func nearest(given string, candidates []string) string {
	plain := strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(given))
	best, distance := "", min(max(2, len(plain)/4), len(plain)/2)+1
	for _, c := range candidates {
		if d := edits(plain, strings.ToLower(c)); d < distance {
			best, distance = c, d
		}
	}
	_, last, _ := cutLast(plain)
	for _, c := range candidates {
		if _, own, _ := cutLast(c); best == "" && own == last {
			best = c
		}
	}
	const telling = 4 // letters that are no accident
	for _, c := range candidates {
		if best == "" && len(last) >= telling && strings.Contains(strings.ToLower(c), last) {
			best = c
		}
	}
	return best
}

// edits counts the letters to insert, delete or exchange to get from a to b.
func edits(a, b string) int {
	const longest = 128 // nothing that long is near anything, and the work grows with the product
	if len(a) > longest || len(b) > longest {
		return longest
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
