package sqlite_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// oneInstruction holds statements with one instruction that takes hours and looks at no clock.
func oneInstruction() map[string]string {
	return map[string]string{
		"instr":   "SELECT instr(zeroblob(8000000)||x'02', zeroblob(4000000)||x'01')",
		"replace": "SELECT length(replace(CAST(zeroblob(8000000) AS TEXT)||hex(zeroblob(4000000)), hex(zeroblob(1500000))||'1', 'x'))",
		"trim":    "SELECT length(trim(hex(zeroblob(7000000)), hex(x'01')||hex(randomblob(500000))))",
	}
}

// TestWatchdogEndsAnInstruction: the caller is back soon after its deadline, the connection is lost, the store is not.
func TestWatchdogEndsAnInstruction(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("SKIPPED: memory is not taken away on this system")
	}
	s := open(t)
	for name, sql := range oneInstruction() {
		for _, role := range []sqlite.Role{sqlite.Reader, sqlite.Analytics, sqlite.Writer} {
			endInstruction(t, s, role, name, sql)
		}
	}
	if n := s.Leaked(); n != 0 {
		t.Errorf("%d connections keep their memory", n)
	}
	c, err := s.Connect(t.Context(), sqlite.Writer) // the lock of the lost writer is free
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Exec("CREATE TABLE after (x)"); err != nil {
		t.Error(err)
	}
}

func endInstruction(t *testing.T, s *sqlite.Store, role sqlite.Role, name, sql string) {
	t.Helper()
	c := connect(t, s, role)
	if role == sqlite.Writer {
		if err := c.Exec("BEGIN IMMEDIATE"); err != nil {
			t.Fatal(err)
		}
	}
	st, err := c.Prepare(sql)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c.SetContext(ctx)
	_, err = st.Step()
	end, _ := ctx.Deadline()
	late := time.Since(end)
	if sqlite.ClassOf(err) != sqlite.Interrupt || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%s on the %s: %v", name, role, err)
	}
	if late < 0 || late > 5*time.Second { // a busy machine is no failure, an instruction that goes on for hours is
		t.Errorf("%s on the %s: back %v after the deadline", name, role, late)
	}
	t.Logf("%s on the %s: back %v after the deadline, lost: %v", name, role, late, c.Broken() != nil)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
