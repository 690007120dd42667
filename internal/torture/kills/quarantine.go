package kills

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/quarantine"
	"github.com/tidegate/engine/internal/failpoint"
)

// quarantines kills a program that has met damage, while it writes that down. The record is there whole or not at all; whoever meets the
// damage next writes it, and nobody writes to the database.
func (c *campaign) quarantines(ctx context.Context, n share) error {
	if n.quarantine == 0 {
		return nil
	}
	set, err := files(c.path("q1"), firstFile)
	if err != nil {
		return err
	}
	origin := c.path("damaged.db")
	if err := template(ctx, origin, set); err != nil {
		return err
	}
	if err := damage(origin); err != nil {
		return err
	}
	for _, p := range []failpoint.Point{failpoint.QuarantineUnnamed, failpoint.QuarantineNamed} {
		for i := range n.quarantine {
			dir := c.path(fmt.Sprintf("%s%d", p, i))
			took, err := c.quarantine(ctx, origin, filepath.Join(dir, "notes.db"), p)
			if err != nil {
				return fmt.Errorf("%s: %w", p, err)
			}
			c.killedAt(string(p), took)
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// damage overwrites the second half of the file, where the rows are.
func damage(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for i := len(content) / 2; i < len(content); i++ {
		content[i] = 0xa5
	}
	return os.WriteFile(path, content, 0o600)
}

// readAll meets the damage.
const readAll = "SELECT count(*), sum(length(text)) FROM notes"

func (c *campaign) quarantine(ctx context.Context, origin, path string, p failpoint.Point) (took time.Duration, err error) {
	if err := copyFile(origin, path); err != nil {
		return 0, err
	}
	program := exec.Command(c.bin.armed, "query", "--db", "sqlite:///"+filepath.ToSlash(path), readAll)
	if err := run(ctx, arm(program, p, 1), nil); err != nil {
		return 0, err
	}
	switch r := quarantine.Load(path); {
	case r == nil && p == failpoint.QuarantineNamed:
		return 0, errors.New("the record was written and is not there")
	case r != nil && (r.Class == "unknown" || r.Reason == ""):
		return 0, fmt.Errorf("half a record is there: %+v", r)
	}
	cfg := engine.DefaultConfig(path)
	cfg.Create, cfg.Logger = false, quiet()
	began := time.Now()
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var one int
	if err := db.QueryRow(ctx, "SELECT 1").Scan(&one); err != nil {
		return 0, err
	}
	took = c.took(began)
	var rows, bytes int
	if err := db.QueryRow(ctx, readAll).Scan(&rows, &bytes); !errors.Is(err, engine.ErrCorrupt) {
		return took, fmt.Errorf("the damage was not met again: %w", err)
	}
	if _, err := db.Exec(ctx, "CREATE TABLE more (i INTEGER)"); !errors.Is(err, engine.ErrQuarantined) {
		return took, fmt.Errorf("a damaged database was written to, or it was refused for another reason: %w", err)
	}
	if r := quarantine.Load(path); r == nil || r.Class != "corrupt" {
		return took, fmt.Errorf("no record of the damage: %+v", r)
	}
	return took, tooSlow(took)
}
