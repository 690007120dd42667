package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

// TestImportSurvivesKill kills the program in the middle of imports, again and again: run once more it goes on, and every row
// is there once, in the table or in the file of refused rows. TIDEGATE_TORTURE=1 does so fifty times a format instead of three.
func TestImportSurvivesKill(t *testing.T) {
	t.Parallel()
	kills, rows := 3, 60_000
	if os.Getenv("TIDEGATE_TORTURE") == "1" {
		kills, rows = 50, 600_000
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	binary := build(t, dir)
	source := newDatabase(t, "CREATE TABLE a (id INTEGER PRIMARY KEY, qty INTEGER, note TEXT)",
		fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO a SELECT i, CASE i %% 11 WHEN 0 THEN 0 ELSE i END, hex(randomblob(40)) FROM n", rows))
	for _, format := range []string{"csv", "jsonl", "parquet"} {
		path := filepath.Join(dir, "rows."+format)
		must(t, "export", "--db", source, "--table", "a", "--out", path)
		url := newDatabase(t, "CREATE TABLE a (id INTEGER, qty INTEGER CHECK (qty > 0), note TEXT)", "CREATE INDEX i ON a (note)")
		refused := filepath.Join(dir, "refused."+format)
		words := []string{"import", "--db", url, "--table", "a", "--on-error", "skip", "--rejects", refused, "--chunk", "2ms", path}
		killed := 0
		for n := 0; n < 20*kills && killed < kills; n++ {
			if killedIn(t, exec.Command(binary, words...), url, int64(rows), rng) {
				killed++
			}
		}
		o := must(t, append(words, "--json")...)
		if killed < kills || !strings.Contains(o.stdout, `"done": true`) || strings.Contains(o.stdout, `"resumed": 0`) {
			t.Errorf("%s: killed %d times, then %s", format, killed, o.stdout)
		}
		const sums = "SELECT count(*) AS n, count(DISTINCT id) AS d, total(id) AS s FROM a"
		good := rows - rows/11
		want := fmt.Sprintf(`{"n":%d,"d":%d,`, good, good)
		if got := must(t, "query", "--db", url, "--json", sums).stdout; !strings.HasPrefix(got, want) {
			t.Errorf("%s: after %d kills %s, want %s", format, killed, got, want)
		}
		text, err := os.ReadFile(refused)
		if n := bytes.Count(text, []byte("\n")); err != nil || n != rows/11 {
			t.Errorf("%s: %d refused rows in the file, want %d, %v", format, n, rows/11, err)
		}
		t.Logf("%s: %d kills, %d rows", format, killed, rows)
	}
}

// killedIn starts an import and kills it once a random number of rows more is in the table. It is false when the import was
// faster than that.
func killedIn(t *testing.T, program *exec.Cmd, url string, rows int64, rng *rand.Rand) bool {
	t.Helper()
	var output bytes.Buffer
	program.Stdout, program.Stderr = &output, &output
	cfg := engine.DefaultConfig(url)
	cfg.Create, cfg.ReadOnly = false, true
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	there := func() (n int64) {
		if err := db.QueryRow(t.Context(), "SELECT coalesce(max(rowid), 0) FROM a").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	goal := there() + 1 + rng.Int64N(max(1, rows/20))
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- program.Wait() }()
	deadline := time.After(2 * time.Minute)
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for there() < goal {
		select {
		case err := <-ended:
			if err != nil && !strings.Contains(output.String(), "imported before") {
				t.Fatalf("the import ended by itself: %v\n%s", err, output.String())
			}
			return false
		case <-deadline:
			_ = program.Process.Kill()
			<-ended
			t.Fatalf("no progress in two minutes\n%s", output.String())
		case <-poll.C:
		}
	}
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	return (<-ended) != nil
}
