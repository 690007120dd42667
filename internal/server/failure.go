package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine"
)

// failure is an error as a client sees it.
type failure struct {
	status     int
	kind       string
	message    string
	retryAfter time.Duration         // 0: a repetition would fail again, or is not safe
	statement  int                   // of a batch, from 1; 0: none in particular
	allow      string                // the method that would be right
	rejected   *engine.RejectedError // by a rule
}

func (f *failure) Error() string { return f.message }

func badRequest(format string, a ...any) error {
	return &failure{status: http.StatusBadRequest, kind: "request", message: fmt.Sprintf(format, a...)}
}

// answer is how a kind of error is answered.
type answer struct {
	is     error
	status int
	kind   string
}

// answers is the catalogue of the engine in terms of HTTP. Its order does not matter: an error matches one of them.
var answers = []answer{
	{engine.ErrOverloaded, http.StatusServiceUnavailable, "overloaded"},
	{engine.ErrNotApplied, http.StatusServiceUnavailable, "not_applied"},
	{engine.ErrBusy, http.StatusServiceUnavailable, "busy"},
	{engine.ErrSnapshotExpired, http.StatusServiceUnavailable, "snapshot_expired"},
	{engine.ErrUnavailable, http.StatusServiceUnavailable, "unavailable"},
	{engine.ErrQuarantined, http.StatusServiceUnavailable, "quarantined"},
	{engine.ErrSchemaFenced, http.StatusServiceUnavailable, "schema_fenced"},
	{engine.ErrStuck, http.StatusGatewayTimeout, "stuck"},
	{engine.ErrClosed, http.StatusServiceUnavailable, "closed"},
	{engine.ErrKilled, http.StatusServiceUnavailable, "killed"},
	{context.Canceled, http.StatusServiceUnavailable, "cancelled"},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, "timeout"},
	{engine.ErrInterrupted, http.StatusGatewayTimeout, "interrupted"},
	{engine.ErrConstraint, http.StatusConflict, "constraint"},
	{engine.ErrRejected, http.StatusUnprocessableEntity, "rejected"},
	{engine.ErrRuleFault, http.StatusUnprocessableEntity, "rule_fault"},
	{engine.ErrPluginQuarantined, http.StatusServiceUnavailable, "plugin_quarantined"},
	{engine.ErrExpectation, http.StatusConflict, "expectation"},
	{engine.ErrForbidden, http.StatusForbidden, "forbidden"},
	{engine.ErrReadOnly, http.StatusForbidden, "read_only"},
	{engine.ErrNotAdopted, http.StatusForbidden, "not_adopted"},
	{engine.ErrSQL, http.StatusBadRequest, "sql"},
	{engine.ErrArgs, http.StatusBadRequest, "args"},
	{engine.ErrTooBig, http.StatusRequestEntityTooLarge, "too_big"},
	{engine.ErrLeaseExpired, http.StatusUnprocessableEntity, "lease_expired"},
	{engine.ErrFull, http.StatusInsufficientStorage, "full"},
	{engine.ErrOutcomeUnknown, http.StatusInternalServerError, "outcome_unknown"},
	{engine.ErrIO, http.StatusInternalServerError, "io"},
	{engine.ErrCorrupt, http.StatusInternalServerError, "corrupt"},
	{engine.ErrNotDatabase, http.StatusInternalServerError, "not_database"},
	{engine.ErrCannotOpen, http.StatusInternalServerError, "cannot_open"},
	{engine.ErrMoved, http.StatusInternalServerError, "moved"},
	{engine.ErrOutOfMemory, http.StatusInternalServerError, "out_of_memory"},
	{engine.ErrTxDone, http.StatusInternalServerError, "tx_done"},
}

// failureOf gives an error its public form.
func failureOf(err error) *failure {
	var own *failure
	if errors.As(err, &own) {
		return own
	}
	f := &failure{status: http.StatusInternalServerError, kind: "internal", message: strings.TrimPrefix(err.Error(), "engine: ")}
	for _, a := range answers {
		if errors.Is(err, a.is) {
			f.status, f.kind = a.status, a.kind
		}
	}
	switch f.kind {
	case "timeout":
		f.message = "the time for this request is over, nothing of it was applied"
	case "cancelled":
		f.message = "the request was cancelled, nothing of it was applied"
	}
	var batch *engine.BatchError
	var expect *engine.ExpectError
	switch {
	case errors.As(err, &batch):
		f.statement = batch.Statement
	case errors.As(err, &expect):
		f.statement = expect.Statement
	}
	_ = errors.As(err, &f.rejected)
	var overload *engine.OverloadError
	var open *engine.BreakerError
	switch {
	case errors.As(err, &open):
		f.retryAfter = max(open.RetryAfter, time.Millisecond)
	case errors.As(err, &overload):
		f.retryAfter = max(overload.RetryAfter, time.Millisecond)
	case engine.Retryable(err) || errors.Is(err, engine.ErrSnapshotExpired):
		f.retryAfter = retrySoon
	}
	return f
}

// header sets what goes with the failure besides the body.
func (f *failure) header(h http.Header) {
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retryAfter.Seconds()))))
	}
	if f.allow != "" {
		h.Set("Allow", f.allow)
	}
	if f.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="tidegate"`)
	}
}

// appendTo appends the value of an "error" member.
func (f *failure) appendTo(b []byte) []byte {
	b = append(b, `{"kind":"`+f.kind+`","message":`...)
	b = appendText(b, f.message)
	if f.statement > 0 {
		b = strconv.AppendInt(append(b, `,"statement":`...), int64(f.statement), 10)
	}
	if r := f.rejected; r != nil {
		b = strconv.AppendInt(append(b, `,"rejection":{"rule":`...), int64(r.Rule), 10)
		for _, m := range []struct{ name, value string }{{"plugin", r.Plugin}, {"version", r.Version}, {"table", r.Table}, {"column", r.Column}, {"row", r.Key}, {"reason", r.Reason}} {
			b = appendText(append(b, `,"`+m.name+`":`...), m.value)
		}
		b = append(b, '}')
	}
	if f.retryAfter > 0 {
		b = strconv.AppendInt(append(b, `,"retry_after_ms":`...), max(1, f.retryAfter.Milliseconds()), 10)
	}
	return append(b, '}')
}
