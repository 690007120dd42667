package engine_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/trace"
)

// keptSpans is a sink that keeps all that was ever said.
type keptSpans struct {
	mu    sync.Mutex
	count int
	text  bytes.Buffer
}

func (k *keptSpans) ExportSpans(_ context.Context, spans []trace.Span) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range spans {
		k.count++
		fmt.Fprintln(&k.text, s.Name, s.Message, s.Links)
		for _, a := range s.Attributes {
			fmt.Fprintln(&k.text, a.Key, a.Value.String())
		}
		for _, e := range s.Events {
			fmt.Fprintln(&k.text, e.Name, e.Attributes)
		}
	}
	return nil
}

// scribe makes statements whose every value has a mark that nothing else has.
type scribe struct{ *rand.Rand }

const mark = "zqsecretqz"

// number is a mark in digits.
func (s scribe) number() string { return fmt.Sprintf("77177%06d", s.IntN(1_000_000)) }

func (s scribe) pick(of ...string) string { return of[s.IntN(len(of))] }

// literal is a value as somebody would write it.
func (s scribe) literal() string {
	return s.pick("'"+mark+"'", "'a''"+mark+"'", s.number(), "-"+s.number(), s.number()+".5", s.number()+"e3", "0x77177"+fmt.Sprintf("%04x", s.IntN(1<<16)),
		"x'"+hex.EncodeToString([]byte(mark))+"'", "X'"+hex.EncodeToString([]byte(mark))+"'", "'"+mark+"\n"+mark+"'")
}

// operand is a literal or a parameter with its argument.
func (s scribe) operand(args *[]any) string {
	if s.IntN(2) == 0 {
		return s.literal()
	}
	*args = append(*args, []any{mark, []byte(mark), int64(77_177_000_000 + s.IntN(1000)), 77177.5}[s.IntN(4)])
	return "?"
}

// expression compares columns with values, nested to some depth.
func (s scribe) expression(depth int, args *[]any) string {
	if depth > 0 && s.IntN(2) == 0 {
		return "(" + s.expression(depth-1, args) + s.pick(" AND ", " OR ") + s.expression(depth-1, args) + ")"
	}
	column := s.pick("a", "b", `"a"`, "[b]", "t.a")
	switch s.IntN(7) {
	case 0:
		return column + " IN (" + s.operand(args) + ", " + s.operand(args) + ")"
	case 1:
		return column + " BETWEEN " + s.operand(args) + " AND " + s.operand(args)
	case 2:
		return column + " LIKE " + s.operand(args)
	case 3:
		return "coalesce(" + column + ", " + s.operand(args) + ") <> " + s.operand(args)
	case 4:
		return "CASE WHEN " + column + " = " + s.operand(args) + " THEN " + s.operand(args) + " ELSE " + s.operand(args) + " END"
	case 5:
		return column + ` = "` + mark + `"` // SQLite takes a name that it does not know for a text
	}
	return column + s.pick(" = ", " < ", ">=", "!=", " IS NOT ") + s.operand(args)
}

// statement is SQL that may succeed, fail on a row, or make no sense.
func (s scribe) statement() (sql string, args []any) {
	comment := s.pick("", " /* "+mark+" */ ", " -- "+mark+"\n")
	where := func() string { return " WHERE " + s.expression(2, &args) }
	switch s.IntN(8) {
	case 0:
		sql = "INSERT INTO t (a, b) VALUES (" + s.operand(&args) + ", " + s.operand(&args) + "), (" + s.operand(&args) + "," + s.operand(&args) + ")"
	case 1:
		sql = "UPDATE t SET a = " + s.operand(&args) + comment + where()
	case 2:
		sql = "DELETE FROM t" + where()
	case 3:
		sql = "WITH x(v) AS (SELECT " + s.operand(&args) + ") SELECT v, " + s.literal() + " FROM x, t" + where()
	case 4:
		sql = "SELECT * FROM t" + where() + comment + " ORDER BY a LIMIT " + s.number()
	case 5:
		sql = "INSERT INTO u VALUES (" + s.operand(&args) + ")" // breaks a CHECK
	case 6:
		sql = "SELECT " + s.literal() + " FROM t WHERE " + s.pick("nowhere", "a ==== ", "'"+mark, "raise("+s.literal()+")", "json("+s.literal()+")") // fails
	default:
		sql = "SELECT abs(" + s.operand(&args) + ") + " + s.literal() + s.pick("", " UNION ALL SELECT ") + s.literal()
	}
	return sql, args
}

// TestNothingLeaks: whatever SQL is run, no literal and no bound value is in any span, in the flight recorder, in the log or in an error.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	s := scribe{rand.New(rand.NewPCG(seed, 1))}
	var log bytes.Buffer
	spans := &keptSpans{}
	db := ledger(t, func(c *engine.Config) {
		c.Trace.Sink = spans
		c.Telemetry.Slow.Other, c.Telemetry.Slow.Analytics, c.Telemetry.Slow.Signal = 0, 0, 0 // each statement is logged
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	for _, sql := range []string{"CREATE TABLE t (a, b UNIQUE)", "CREATE TABLE u (a CHECK (length(a) > 1000))"} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	var said []string
	failed := 0
	told := func(err error) {
		if err != nil {
			failed++
			said = append(said, err.Error(), fmt.Sprintf("%+v", err))
		}
	}
	for range 600 {
		sql, args := s.statement()
		switch s.IntN(4) {
		case 0:
			_, err := db.Exec(t.Context(), sql, args...)
			told(err)
		case 1:
			rows, err := db.Query(t.Context(), sql, args...)
			told(drained(rows, err))
		case 2:
			b := engine.NewBatch()
			b.Exec(sql, args...)
			_, err := db.Batch(t.Context(), b, engine.WithName("batch"))
			told(err)
		default:
			err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
				_, err := tx.Exec(ctx, sql, args...)
				return err
			}, engine.WithName("update"))
			told(err)
		}
	}
	if err := db.Trace().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	records, err := json.Marshal(operations(db))
	if err != nil {
		t.Fatal(err)
	}
	observed := whatIsTold(t, db)
	spans.mu.Lock()
	defer spans.mu.Unlock()
	if spans.count < 600 || failed < 50 || failed > 590 {
		t.Fatalf("%d spans and %d failures: the test says nothing", spans.count, failed)
	}
	for where, text := range map[string]string{"spans": spans.text.String(), "records": string(records), "log": log.String(), "errors": strings.Join(said, "\n"),
		"metrics": observed["metrics"], "slow log": observed["slow log"], "health": observed["health"], "alerts": observed["alerts"]} {
		for _, secret := range []string{mark, "77177", hex.EncodeToString([]byte(mark)), strings.ToUpper(hex.EncodeToString([]byte(mark)))} {
			if i := strings.Index(strings.ToLower(text), strings.ToLower(secret)); i >= 0 {
				t.Errorf("a value is in the %s: …%s…", where, text[max(0, i-200):min(len(text), i+60)])
			}
		}
	}
}

// whatIsTold is what is said of a database besides: its metrics, its slow log, its statements, its health and its alerts. Times and numbers of the
// engine's own making are left out: they may look like anything.
func whatIsTold(t *testing.T, db *engine.DB) map[string]string {
	t.Helper()
	var labels, slow bytes.Buffer
	for _, s := range db.Telemetry().Now() {
		fmt.Fprintln(&labels, s.Name, s.Unit, s.Labels)
	}
	entries, err := db.Telemetry().Slow(t.Context(), engine.SlowFilter{Limit: 5000})
	if err != nil || len(entries) < 100 {
		t.Fatalf("%d slow statements, %v", len(entries), err)
	}
	bound, planned := 0, 0
	for _, e := range entries {
		bound, planned = bound+len(e.Bindings), planned+len(e.Plan)
		fmt.Fprintln(&slow, e.Text, e.Summary, e.Bindings, e.Plan, e.PlanError, e.Origin.Caller, e.Waits.Holder, e.Error, e.Reasons)
	}
	if bound < 50 || planned < 50 {
		t.Fatalf("%d bindings and %d steps of plans: the test says nothing", bound, planned)
	}
	for _, s := range db.Telemetry().Statements(1000) {
		fmt.Fprintln(&slow, s.Text, s.Summary)
	}
	alerts, err := db.Alerts().Latest(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	var told bytes.Buffer
	for _, a := range alerts {
		fmt.Fprintln(&told, a.Rule, a.Labels, a.Title, a.Body)
	}
	health := ""
	for _, c := range db.Health(t.Context()).Checks {
		if c.Name != "disk" { // a number that may be any
			health += c.Name + c.Detail + c.Remedy
		}
	}
	return map[string]string{"metrics": labels.String(), "slow log": slow.String(), "health": health, "alerts": told.String()}
}

// operations is all that the flight recorder holds.
func operations(db *engine.DB) (out []trace.Operation) {
	for o := range db.Trace().Last(0) {
		// Numbers are of the engine's making, and may look like anything.
		o.Start, o.Took, o.Fingerprint, o.Times, o.TraceID, o.SpanID, o.ParentID = time.Time{}, 0, "", trace.Times{}, "", "", ""
		out = append(out, o)
	}
	return out
}
