package kills

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine/internal/failpoint"
)

// programs are what is killed.
type programs struct {
	shipped string // as it is shipped
	armed   string // the same with the named places
	keyed   string // calls with idempotency keys, with the named places
}

// compile builds a package of this module.
func compile(ctx context.Context, dir, name, pkg string, flags ...string) (string, error) {
	binary := filepath.Join(dir, name+".exe") // the name is for Windows; others do not care
	args := append([]string{"build", "-o", binary}, flags...)
	if out, err := exec.CommandContext(ctx, "go", append(args, pkg)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	return binary, nil
}

// tagged are the flags of a program with the named places; without debugging data it is linked in half of the time.
func tagged() []string { return []string{"-tags", "failpoints", "-ldflags", "-s -w"} }

// arm makes a program end at the nth pass of a place.
func arm(program *exec.Cmd, p failpoint.Point, nth int) *exec.Cmd {
	program.Env = append(os.Environ(), failpoint.Variable+"="+string(p)+":"+strconv.Itoa(nth))
	return program
}

// patience is how long a program may take to reach what it is killed at.
const patience = 2 * time.Minute

// errEnded says that a program came to its end alive.
var errEnded = errors.New("the program ended by itself")

// run starts a program and waits until it was killed: by itself, at the place it was armed with, or by us once when says so.
func run(ctx context.Context, program *exec.Cmd, when func() (bool, error)) error {
	var output bytes.Buffer
	program.Stdout, program.Stderr = &output, &output
	if err := program.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- program.Wait() }()
	stop := func() {
		_ = program.Process.Kill()
		<-ended
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for {
		select {
		case err := <-ended:
			if when == nil && killed(err) {
				return nil
			}
			return fmt.Errorf("%w: %v\n%s", errEnded, err, output.String())
		case <-ctx.Done():
			stop()
			return context.Cause(ctx)
		case <-deadline.C:
			stop()
			return fmt.Errorf("%s was not killed within %v\n%s", strings.Join(program.Args[1:], " "), patience, output.String())
		case <-poll.C:
		}
		if when == nil {
			continue
		}
		switch now, err := when(); {
		case err != nil:
			stop()
			return err
		case now:
			stop()
			return nil
		}
	}
}

// killed reports whether a process was ended from outside, as the places do it.
func killed(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	return ok && (exit.ExitCode() == -1 || exit.ExitCode() == 1 && !exit.Exited())
}

// lines counts the ids of a ledger, without what a kill cut off.
func lines(ledger string) ([]int64, error) {
	content, err := os.ReadFile(ledger)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	all := strings.Split(string(content), "\n")
	ids := make([]int64, 0, len(all))
	for _, line := range all[:len(all)-1] {
		id, err := strconv.ParseInt(line, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("ledger line %q: %w", line, err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
