package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk"
	"github.com/tidegate/engine/migrations"
)

// TestDemoSurvivesKill kills the program in the middle of a burst, again and
// again on one database: every trade that was acknowledged is there, and the
// books are exact. TIDEGATE_TORTURE=1 kills a hundred times instead of three, fifty times on each of two databases, and holds the next
// start to two seconds.
func TestDemoSurvivesKill(t *testing.T) {
	t.Parallel()
	kills, slowest := 3, time.Minute
	if os.Getenv("TIDEGATE_TORTURE") == "1" {
		kills, slowest = 100, 2*time.Second
	}
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("TIDEGATE_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	binary := build(t, dir)
	const perDatabase = 50
	var path, ledger string
	trades := 0
	reopen := time.Duration(0)
	for n := range kills {
		if n%perDatabase == 0 {
			name := "desk" + strconv.Itoa(n/perDatabase)
			path, ledger = filepath.Join(dir, name+".db"), filepath.Join(dir, name+".ledger")
		}
		before := len(acknowledged(t, ledger))
		until := before + 20 + rng.IntN(400)
		burst(t, n, ledger, until, exec.Command(binary, "demo", "--db", "sqlite:///"+filepath.ToSlash(path), "--ledger", ledger,
			"--sessions", "100", "--duration", "1h", "--seed", strconv.FormatUint(seed+uint64(n), 10)))
		ids := acknowledged(t, ledger)
		booked, took := inspect(t, n, path, ids)
		trades += len(ids) - before
		reopen = max(reopen, took)
		if took > slowest {
			t.Errorf("after kill %d: the database was open after %v, the bar is %v", n+1, took, slowest)
		}
		t.Logf("kill %d: %d trades acknowledged so far, %d booked, open again after %v", n+1, len(ids), booked, took.Round(time.Millisecond))
	}
	t.Logf("figures: cases=%d kills=%d acknowledged=%d slowest_open=%dms", kills, kills, trades, reopen.Milliseconds())
}

func build(t *testing.T, dir string) string {
	t.Helper()
	binary := filepath.Join(dir, "engine.exe") // the name is for Windows; others do not care
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// burst starts the program and kills it once the ledger has that many lines.
func burst(t *testing.T, n int, ledger string, until int, program *exec.Cmd) {
	t.Helper()
	var output bytes.Buffer
	program.Stdout, program.Stderr = &output, &output
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- program.Wait() }()
	deadline := time.After(2 * time.Minute)
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for len(acknowledged(t, ledger)) < until {
		select {
		case err := <-ended:
			t.Fatalf("run %d ended by itself: %v\n%s", n, err, output.String())
		case <-deadline:
			_ = program.Process.Kill()
			<-ended
			t.Fatalf("run %d: %d trades in two minutes, want %d\n%s", n, len(acknowledged(t, ledger)), until, output.String())
		case <-poll.C:
		}
	}
	select { // not always the moment after a line was written
	case <-time.After(time.Duration(rand.IntN(20_000)) * time.Microsecond):
	case err := <-ended:
		t.Fatalf("run %d ended by itself: %v\n%s", n, err, output.String())
	}
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
}

// acknowledged reads the ids of the ledger. A line without an end was cut by
// the kill, and its trade is not held to be acknowledged.
func acknowledged(t *testing.T, ledger string) []int64 {
	t.Helper()
	content, err := os.ReadFile(ledger)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	lines := strings.Split(string(content), "\n")
	ids := make([]int64, 0, len(lines))
	for _, line := range lines[:len(lines)-1] {
		id, err := strconv.ParseInt(line, 10, 64)
		if err != nil {
			t.Fatalf("ledger line %q: %v", line, err)
		}
		ids = append(ids, id)
	}
	return ids
}

// inspect opens what the kill left behind and returns how many executions it
// holds, and how long it took to open it.
func inspect(t *testing.T, n int, path string, ids []int64) (int64, time.Duration) {
	t.Helper()
	cfg := engine.DefaultConfig(path)
	cfg.Create, cfg.Migrations = false, migrations.FS
	began := time.Now()
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("after kill %d: %v", n+1, err)
	}
	took := time.Since(began)
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	list, err := json.Marshal(ids)
	if err != nil {
		t.Fatal(err)
	}
	var found, all int64
	if err := db.QueryRow(t.Context(), `SELECT count(*) FROM json_each(?1) j JOIN executions x ON x.exec_id = j.value`, string(list)).Scan(&found); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow(t.Context(), `SELECT count(*) FROM executions`).Scan(&all); err != nil {
		t.Fatal(err)
	}
	if found != int64(len(ids)) {
		t.Errorf("after kill %d: %d of %d acknowledged trades are lost", n+1, int64(len(ids))-found, len(ids))
	}
	verdicts, err := desk.Verify(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if !desk.AllHold(verdicts) {
		for _, v := range verdicts {
			if v.Broken > 0 {
				t.Error(fmt.Sprintf("after kill %d: %s %s: %d rows, first %s", n+1, v.Name, v.Rule, v.Broken, v.Example))
			}
		}
	}
	var check string
	if err := db.QueryRow(t.Context(), `PRAGMA integrity_check`).Scan(&check); err != nil || check != "ok" {
		t.Errorf("after kill %d: integrity check says %q, %v", n+1, check, err)
	}
	return all, took
}
