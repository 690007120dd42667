package server_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/server"
)

// The page of the documentation has every kind of error, with its status, and every header.
func TestFailuresAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "serve.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (\\d{3}) \\| ([^|]*) \\|").FindAllStringSubmatch(string(text), -1) {
		for _, kind := range strings.Split(row[2], ",") {
			documented[row[1]+" "+strings.Trim(strings.TrimSpace(kind), "`")] = true
		}
	}
	for _, a := range server.Answers() {
		if !documented[a] {
			t.Errorf("%s is not in docs/serve.md", a)
		}
	}
}

// Every error of the engine that a request can meet has a kind: what is answered as "internal" is a mistake of ours.
func TestEveryErrorHasAKind(t *testing.T) {
	t.Parallel()
	none := "ErrNoRows ErrConfig ErrMigration ErrDecimal ErrReentrant ErrKeyReused ErrAlreadyApplied ErrPluginInService" // not of a request: no Scan, no Open, no keys, no kept values
	known := map[string]error{
		"ErrClosed": engine.ErrClosed, "ErrReadOnly": engine.ErrReadOnly, "ErrNotAdopted": engine.ErrNotAdopted, "ErrSchemaFenced": engine.ErrSchemaFenced,
		"ErrOverloaded": engine.ErrOverloaded, "ErrUnavailable": engine.ErrUnavailable, "ErrQuarantined": engine.ErrQuarantined,
		"ErrLeaseExpired": engine.ErrLeaseExpired, "ErrNotApplied": engine.ErrNotApplied, "ErrOutcomeUnknown": engine.ErrOutcomeUnknown,
		"ErrSnapshotExpired": engine.ErrSnapshotExpired, "ErrStuck": engine.ErrStuck, "ErrKilled": engine.ErrKilled, "ErrExpectation": engine.ErrExpectation,
		"ErrTxDone": engine.ErrTxDone, "ErrRejected": engine.ErrRejected, "ErrRuleFault": engine.ErrRuleFault,
		"ErrPluginQuarantined": engine.ErrPluginQuarantined, "ErrConstraint": engine.ErrConstraint, "ErrBusy": engine.ErrBusy, "ErrFull": engine.ErrFull,
		"ErrIO": engine.ErrIO, "ErrCorrupt": engine.ErrCorrupt, "ErrNotDatabase": engine.ErrNotDatabase, "ErrCannotOpen": engine.ErrCannotOpen,
		"ErrMoved": engine.ErrMoved, "ErrInterrupted": engine.ErrInterrupted, "ErrOutOfMemory": engine.ErrOutOfMemory, "ErrTooBig": engine.ErrTooBig,
		"ErrArgs": engine.ErrArgs, "ErrSQL": engine.ErrSQL, "ErrForbidden": engine.ErrForbidden,
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "errors.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^\t(Err[A-Za-z]+) += `).FindAllStringSubmatch(string(text), -1)
	if len(names) < 39 {
		t.Fatalf("%d errors in errors.go", len(names))
	}
	for _, n := range names {
		err, request := known[n[1]]
		if !request && !strings.Contains(none+" ", n[1]+" ") {
			t.Errorf("%s is new: say how it is answered", n[1])
		}
		if !request {
			continue
		}
		if _, kind, _ := server.AnswerTo(err); kind == "internal" {
			t.Errorf("%s has no kind", n[1])
		}
	}
	status, kind, after := server.AnswerTo(&engine.BreakerError{RetryAfter: 7 * time.Second})
	if status != 503 || kind != "unavailable" || after != 7*time.Second {
		t.Errorf("an open breaker is answered with %d %s, retry after %v", status, kind, after)
	}
}
