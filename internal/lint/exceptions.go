package lint

// Exceptions lists what may break a rule, and why.
func Exceptions() []Exception {
	return []Exception{}
}
