package engine_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/tidegate/engine"
)

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestRuleOfMissingTable: a rule whose table is not there judges nothing, which the log and the health check tell, since its name may be misspelt; once the table is
// made, nothing is said any more.
func TestRuleOfMissingTable(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	db := open(t, func(c *engine.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		src := &later{v: never{}}
		src.on.Store(true)
		c.Rules.Source = src
		c.Rules.Checks = []engine.RowCheck{{Table: "Other", Expr: "id > 0", Message: "m"}}
	})
	look := func() engine.Check {
		for _, c := range db.Health(t.Context()).Checks {
			if c.Name == "rules" {
				return c
			}
		}
		t.Fatal("there is no check of the rules")
		return engine.Check{}
	}
	if got := log.String(); !strings.Contains(got, "watches the table trades, which is not there") || !strings.Contains(got, "a declared check watches the table Other") {
		t.Errorf("the log: %s", got)
	}
	if c := look(); c.OK || !c.Ready || !strings.Contains(c.Detail, "watches the table trades") || !strings.Contains(c.Detail, "the table Other") || !strings.Contains(c.Remedy, "name") {
		t.Errorf("%+v", c)
	}
	for _, q := range []string{"CREATE TABLE TRADES (id INTEGER PRIMARY KEY)", "CREATE TABLE other (id INTEGER PRIMARY KEY)"} {
		if _, err := db.Exec(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if c := look(); !c.OK {
		t.Errorf("with the tables: %+v", c)
	}
}
