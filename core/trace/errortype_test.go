package trace_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/tidegate/engine/core/trace"
)

func TestErrorType(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"":                         nil,
		"constraint":               fmt.Errorf("a: %w", fmt.Errorf("b: %w", storeError{})),
		"context.Canceled":         fmt.Errorf("a: %w", context.Canceled),
		"context.DeadlineExceeded": context.DeadlineExceeded,
		"*fs.PathError":            fmt.Errorf("a: %w", &fs.PathError{Op: "open", Path: "secret", Err: errors.New("x")}),
		"*errors.errorString":      fmt.Errorf("a: %w", errors.New("secret")),
	} {
		if got := trace.ErrorType(err); got != want {
			t.Errorf("ErrorType(%v) = %q, want %q", err, got, want)
		}
	}
	if a, b := trace.ErrorType(fmt.Errorf("a: %v", 1)), trace.ErrorType(fmt.Errorf("b: %v", 2)); a != b || a == "" {
		t.Errorf("unwrapped errors of fmt: %q and %q", a, b)
	}
}
