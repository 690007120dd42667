package health

import (
	"fmt"
	"strings"
	"time"
)

// Breaker is a circuit breaker that is not closed.
type Breaker struct {
	Name, State string
	Since       time.Time
	// Cause is the failure that opened it.
	Cause string
	// Remedy is what to do about it.
	Remedy string
}

// Breakers tells of those that are not closed.
func Breakers(list []Breaker) Check {
	var open, remedies []string
	for _, b := range list {
		open = append(open, fmt.Sprintf("%s is %s since %s after %s", b.Name, b.State, b.Since.UTC().Format(time.RFC3339), b.Cause))
		remedies = append(remedies, b.Remedy)
	}
	if open == nil {
		return Good("breakers", "all closed")
	}
	return Failure("breakers", strings.Join(open, "; "), strings.Join(remedies, "; "))
}
