package migrate_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidegate/engine/core/migrate"
)

const largeEnv = "TIDEGATE_MIGRATE_LARGE"

// largeSteps are a table with rows of about 500 bytes, and what is done to it. The last converts a column of every row.
func largeSteps(t *testing.T) []*migrate.Set {
	t.Helper()
	files := map[string]string{}
	var out []*migrate.Set
	add := func(text string) {
		files[fmt.Sprintf("%04d_x.sql", len(files)+1)] = text
		out = append(out, load(t, set(t, files)))
	}
	add("-- migration: trades\n-- compat: 0001\n-- +up\nCREATE TABLE trades (id INTEGER PRIMARY KEY, price TEXT, note BLOB);\n-- +down\nDROP TABLE trades;\n")
	add("-- migration: a table beside it\n-- compat: 0001\n-- touches:\n-- +up\nCREATE TABLE more (a);\n-- +down\nDROP TABLE more;\n")
	add("-- migration: prices\n-- compat: 0001\n-- convert: trades.price TEXT -> INTEGER using dec(6,2) on_loss=quarantine\n-- touches:\n-- +up\n-- +down\n")
	return out
}

// TestHelperMigratesLarge is the process whose memory is measured. It says how long each phase took, in milliseconds.
func TestHelperMigratesLarge(t *testing.T) {
	path, version, ok := strings.Cut(os.Getenv(largeEnv), "|")
	if !ok {
		t.Skip("only as the child of TestMemoryAndTimeOfALargeDatabase")
	}
	b := openBase(t, path, nil)
	phase, since := "", time.Now()
	took := map[string]time.Duration{}
	next := func(name string) {
		took[phase] += time.Since(since)
		phase, since = name, time.Now()
	}
	m := b.configured(func(c *migrate.Config) { c.Progress = func(p migrate.Progress) { next(p.Phase) } }, largeSteps(t)[int(version[0]-'1')])
	rep := up(t, m)
	next("")
	for name, d := range took {
		fmt.Printf("phase %s %d\n", name, d.Milliseconds())
	}
	fmt.Printf("phase whole %d\n", rep.Duration.Milliseconds())
}

// migratesLarge runs the child and returns its peak of memory in MiB and its phases in milliseconds.
func migratesLarge(t *testing.T, path string, version int) (peak int64, phases map[string]int64) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "-test.run=^TestHelperMigratesLarge$", "-test.count=1")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%d", largeEnv, path, version))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	phases = map[string]int64{}
	for line := range strings.Lines(string(out)) {
		var name string
		var ms int64
		if n, _ := fmt.Sscanf(line, "phase %s %d", &name, &ms); n == 2 {
			phases[name] = ms
		}
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatal("the system does not tell how much memory the child took")
	}
	return usage.Maxrss >> 10, phases
}

// What a migration takes of memory does not grow with the database: not for the copy and its checks, and not for the conversion of a column of every
// row. The long form does it with 1 GB and tells the times.
func TestMemoryAndTimeOfALargeDatabase(t *testing.T) {
	t.Parallel()
	small, large := 4_000, 60_000
	if torture() {
		large = 2_000_000
	}
	var peaks [2][2]int64
	for i, rows := range []int{small, large} {
		b := openBase(t, filepath.Join(t.TempDir(), "large.db"), nil)
		up(t, b.migrator(largeSteps(t)[0]))
		b.exec(fmt.Sprintf(`WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n LIMIT %d)
 INSERT INTO trades SELECT v, (v %% 1000) || CASE WHEN v %% 5000 = 0 THEN 'x' ELSE '.25' END, randomblob(480) FROM n`, rows))
		info, err := os.Stat(b.path)
		if err != nil {
			t.Fatal(err)
		}
		for step := range 2 {
			peak, phases := migratesLarge(t, b.path, step+2)
			peaks[i][step] = peak
			t.Logf("%d rows, %d MiB, migration %d: peak %d MiB; milliseconds %v", rows, info.Size()>>20, step+2, peak, phases)
		}
	}
	for step, name := range []string{"copy and checks", "conversion"} {
		// The cache of the connection fills first, whatever comes; 64 MiB is what is left for the collector's moods.
		if small, large := peaks[0][step], peaks[1][step]; large > small+64 {
			t.Errorf("%s: %d MiB for few rows, %d MiB for many", name, small, large)
		}
	}
}
