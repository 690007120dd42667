package engine_test

import (
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine"
	tradingdesk "github.com/tidegate/engine/internal/desk"
	"github.com/tidegate/engine/internal/load"
	"github.com/tidegate/engine/migrations"
)

const (
	cursorsEnv = "TIDEGATE_CURSORS"
	cursors    = 100
	// What the process may take in RAM: each cursor its page cache of readers.cache_kib, which is full here, and a MiB beside it (its own
	// memory, a stack, the row); the rest of the process as much as it has before, 64 MiB at most.
	cursorMost = 4<<20 + 1<<20
	restMost   = 64 << 20
)

// TestMemoryOfAHundredCursors states what a hundred snapshots with half-read rows on portfolio data cost a process, runtime and all: a process
// of its own, for the others of this test binary have memory, too.
func TestMemoryOfAHundredCursors(t *testing.T) {
	cmd := osexec.Command(os.Args[0], "-test.run=^TestHelperHoldsCursors$", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), cursorsEnv+"="+filepath.Join(t.TempDir(), "test.db"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var before, with int64
	_, figures, _ := strings.Cut(string(out), "resident ")
	if _, err := fmt.Sscanf(figures, "%d %d", &before, &with); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	each := (with - before) / cursors
	t.Logf("%d MB before, %d MB with %d cursors, %d KB each", before>>20, with>>20, cursors, each>>10)
	if before > restMost || each > cursorMost {
		t.Errorf("%d MB before and %d KB for each cursor; at most %d and %d", before>>20, each>>10, restMost>>20, cursorMost>>10)
	}
	if each < 1<<20 {
		t.Errorf("%d bytes for a cursor: they are not open, or nobody looks", each)
	}
}

// TestHelperHoldsCursors is the process.
func TestHelperHoldsCursors(t *testing.T) {
	path := os.Getenv(cursorsEnv)
	if path == "" {
		t.Skip("only as the child of the test above")
	}
	db := openAt(t, path, func(c *engine.Config) { c.Migrations = migrations.FS })
	portfolios(t, db)
	resident := func() int64 {
		debug.FreeOSMemory() // what is garbage is no cursor's
		return load.Resident()
	}
	before := resident()
	var open, over sync.WaitGroup
	release := make(chan struct{})
	errs := make(chan error, cursors)
	open.Add(cursors)
	for n := range cursors {
		over.Go(func() { errs <- pauseHalfway(t.Context(), db, 1+n%12, &open, release) })
	}
	open.Wait()
	for range 50 { // others go on meanwhile
		if _, err := db.Exec(t.Context(), "UPDATE last_quotes SET mark = mark + 1"); err != nil {
			t.Error(err)
		}
		if n := one(t, db, "SELECT count(*) FROM accounts"); n != 12 {
			t.Errorf("%d accounts", n)
		}
	}
	with := resident()
	close(release)
	over.Wait()
	for range cursors {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	fmt.Println("resident", before, with)
}

// snapshotsEach is how many times each of the twelve accounts was valued: 9 MB in all, more than a connection caches.
const snapshotsEach = 8_000

func portfolios(t *testing.T, db *engine.DB) {
	t.Helper()
	if err := tradingdesk.Seed(t.Context(), db, tradingdesk.DefaultPlan(time.Unix(0, 0))); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "INSERT INTO last_quotes (instrument_id, ts, bid, ask, mark) VALUES (1, 1, 99, 101, 100)",
		fmt.Sprintf(`INSERT INTO portfolio_snapshots (account_id, ts, equity, cash, gross, net, realised, unrealised, fees, open_orders)
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < %d)
SELECT account_id, n * 1000000000000, 2 * big + n, big, big, big + n, big, big, big, big FROM accounts, c, (SELECT 1000000000000000 AS big)`, snapshotsEach))
}

// pauseHalfway reads half of an account's history on a snapshot, and all of the table beside it, waits, and reads the rest.
func pauseHalfway(ctx context.Context, db *engine.DB, account int, open *sync.WaitGroup, release <-chan struct{}) error {
	half := sync.OnceFunc(open.Done)
	defer half() // also where it fails: the others must not wait for it
	return db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
		rows, err := tx.Query(ctx, `SELECT s.equity, a.code, l.mark FROM portfolio_snapshots s JOIN accounts a USING (account_id) JOIN last_quotes l ON l.instrument_id = 1
WHERE s.account_id = ? ORDER BY s.ts`, account)
		if err != nil {
			return err
		}
		n, first := 0, 0
		for row, err := range rows.All() {
			if err != nil {
				return err
			}
			var equity, mark int
			var code string
			if err := row.Scan(&equity, &code, &mark); err != nil {
				return err
			}
			if n++; n == snapshotsEach/2 {
				var all int
				if err := tx.QueryRow(ctx, "SELECT count(*) FROM portfolio_snapshots WHERE open_orders > fees - 1").Scan(&all); err != nil || all != 12*snapshotsEach {
					return fmt.Errorf("%d rows in all, %v", all, err)
				}
				first = mark
				half()
				<-release
			}
			if first != 0 && mark != first { // it has been changed meanwhile
				return fmt.Errorf("the mark was %d and is %d on one snapshot", first, mark)
			}
		}
		if n != snapshotsEach {
			return fmt.Errorf("%d rows of %d", n, snapshotsEach)
		}
		return nil
	})
}
