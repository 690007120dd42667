package sqlite_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// oneInstruction holds statements with one instruction that takes hours and looks at no clock.
func oneInstruction() map[string]string {
	return map[string]string{
		"instr":   "SELECT instr(zeroblob(8000000)||x'02', zeroblob(4000000)||x'01')",
		"replace": "SELECT length(replace(CAST(zeroblob(8000000) AS TEXT)||hex(zeroblob(4000000)), hex(zeroblob(1500000))||'1', 'x'))",
		"trim":    "SELECT length(trim(hex(zeroblob(7000000)), replace(hex(zeroblob(500000)), '0', 'x')||'0'))",
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

// TestWatchdogLetsAStarvedCallBe: a call that is cancelled while the machine gives the process no processor is as quiet as an instruction without an end, and
// is not taken for one: it would cost a writer its transaction.
func TestWatchdogLetsAStarvedCallBe(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("SKIPPED: memory is not taken away on this system")
	}
	s := open(t)
	var looks, spent atomic.Int64
	sqlite.Spends(s, func() (time.Duration, bool) {
		looks.Add(1)
		return time.Duration(spent.Load()), true
	})
	await := func(n int64, ended <-chan error) error { // so many looks, or the end of the call
		for from := looks.Load(); looks.Load() < from+n; {
			select {
			case err := <-ended:
				return err
			case <-time.After(time.Millisecond):
			}
		}
		return nil
	}
	// A machine that is so busy that the call has not begun when it is cancelled has it end as any other: it gets more time.
	for ahead := int64(5); ; ahead *= 2 {
		c := connect(t, s, sqlite.Writer)
		st, err := c.Prepare(oneInstruction()["instr"])
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		c.SetContext(ctx)
		ended := make(chan error, 1)
		go func() {
			_, err := st.Step()
			ended <- err
		}()
		err = await(ahead, ended)
		cancel()
		if err == nil {
			err = await(20, ended)
		}
		early := err != nil
		if early && (c.Broken() != nil || ahead > 1000) {
			t.Errorf("%d looks at a process that has no processor: %v", looks.Load(), err)
		}
		if !early {
			spent.Add(int64(time.Second)) // now it has worked, and polled nobody
			if err := <-ended; sqlite.ClassOf(err) != sqlite.Interrupt || c.Broken() == nil {
				t.Errorf("%v", err)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if !early || t.Failed() {
			return
		}
	}
}

// TestWatchdogAtTheEdge: the time is up in the very moment in which a statement ends by itself, or fails for want of memory. Either
// answer is right, and the process lives.
func TestWatchdogAtTheEdge(t *testing.T) {
	t.Parallel()
	s := open(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	ways := map[sqlite.ErrorClass]int{}
	runs := 60
	if os.Getenv("TIDEGATE_TORTURE") == "1" {
		runs = 3000
	}
	statements := []string{
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT group_concat(hex(zeroblob(100000))) FROM n", // out of memory, or too big
		"SELECT length(replace(hex(zeroblob(4000000)), '0', 'ab'))", "SELECT sum(instr(hex(zeroblob(100000)), hex(zeroblob(500)) || '1'))",
		"SELECT json_array_length(json_array(hex(zeroblob(3000000)), hex(zeroblob(3000000)), hex(zeroblob(3000000))))",
	}
	for n := range runs {
		c := connect(t, s, []sqlite.Role{sqlite.Reader, sqlite.Writer}[n%2])
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(60_000))*time.Microsecond)
		c.SetContext(ctx)
		st, err := c.Prepare(statements[rng.IntN(len(statements))])
		if err == nil {
			_, err = st.Run()
		}
		cancel()
		if err == nil {
			ways[sqlite.SQL]++
		} else {
			ways[sqlite.ClassOf(err)]++
			switch sqlite.ClassOf(err) {
			case sqlite.Interrupt, sqlite.OutOfMemory, sqlite.TooBig:
			default:
				t.Errorf("run %d: %v", n, err)
			}
		}
		c.SetContext(nil)
		if c.Broken() == nil { // then it must work, whatever the watchdog was about to do
			if got, err := c.QueryInt("SELECT 7"); err != nil || got != 7 {
				t.Errorf("run %d: a connection that counts as good: %d, %v", n, got, err)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("ends: %v", ways)
}

// A look of the watchdog that ends at the moment in which a call comes back is no fence: the connection stays usable.
func TestWatchdogLookIsNoFence(t *testing.T) {
	t.Parallel()
	if n := sqlite.HoldAndLeave(2_000_000); n > 0 {
		t.Errorf("%d calls found a gate shut that nobody had shut", n)
	}
}

// TestFenceEndsAnInstruction: a connection is fenced while it is inside an instruction that meets no fence. Its goroutine comes out all the same.
func TestFenceEndsAnInstruction(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("SKIPPED: memory is not taken away on this system")
	}
	s := open(t)
	c, err := s.Connect(t.Context(), sqlite.Analytics)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := c.QueryInt("SELECT instr(zeroblob(8000000) || x'02', zeroblob(4000000) || x'01')") // some hours
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatal("the instruction ended by itself:", err)
	case <-time.After(300 * time.Millisecond): // it is in the middle of it
	}
	if err := c.Fence(); err != nil && sqlite.ClassOf(err) != sqlite.Busy {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if sqlite.ClassOf(err) != sqlite.Fenced {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the goroutine is still inside SQLite")
	}
	for deadline := time.Now().Add(20 * time.Second); s.Leaked() > 0; {
		if time.Now().After(deadline) {
			t.Fatal("its memory was not given back")
		}
		time.Sleep(time.Millisecond)
	}
}
