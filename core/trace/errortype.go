package trace

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// ErrorType names what kind of error err is, for the attribute error.type: one of few values, and never part of the message. It asks the
// error and what it wraps for ErrorType() string; cancelled and timed-out contexts have names of their own; for the rest it is the Go type
// of the innermost error that fmt.Errorf did not make. It returns "" for nil.
func ErrorType(err error) string {
	if err == nil {
		return ""
	}
	var typed interface{ ErrorType() string }
	if errors.As(err, &typed) {
		if name := typed.ErrorType(); name != "" {
			return name
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return "context.Canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "context.DeadlineExceeded"
	}
	return typeName(err)
}

// typeName looks through the wrappers of package fmt, which say nothing.
func typeName(err error) string {
	wrapper := reflect.TypeOf(fmt.Errorf("%w", context.Canceled))
	for reflect.TypeOf(err) == wrapper {
		inner := errors.Unwrap(err)
		if inner == nil {
			break
		}
		err = inner
	}
	return fmt.Sprintf("%T", err)
}

// statusCode asks err and what it wraps for the store's result code; "" where none has one.
func statusCode(err error) string {
	var coded interface{ StatusCode() string }
	if errors.As(err, &coded) {
		return coded.StatusCode()
	}
	return ""
}
