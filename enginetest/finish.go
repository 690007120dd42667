package enginetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

// patience is how long what the test has left running may take to end by itself: a goroutine whose context was just cancelled.
const patience = time.Second

// most is how many faults of one kind are reported.
const most = 10

// finish looks at a database at the end of its test and closes it.
func finish(t testing.TB, db *engine.DB, cfg engine.Config, w *watch) {
	t.Helper()
	leaks := leftOpen(db, w)
	for _, l := range leaks {
		if t.Failed() { // it may have ended in the middle: that is not what is wrong with it
			t.Log("enginetest: " + l)
		} else {
			t.Error("enginetest: " + l)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	faults, err := inspect(ctx, db)
	if errors.Is(err, engine.ErrClosed) {
		faults, err = inspectClosed(ctx, cfg)
	}
	if err != nil {
		t.Errorf("enginetest: the database could not be checked: %v", err)
	}
	for _, f := range faults {
		t.Error("enginetest: " + f)
	}
	wait := 10 * time.Second
	if len(leaks) > 0 {
		wait = time.Millisecond // what is left open has had its time
	}
	ctx, cancel = context.WithTimeout(context.Background(), wait)
	defer cancel()
	switch err := db.Shutdown(ctx); {
	case err == nil:
	case errors.Is(err, context.DeadlineExceeded) && len(leaks) > 0: // reported above
	case errors.Is(err, context.DeadlineExceeded):
		t.Errorf("enginetest: something was still at work on the database %v after the test, and was ended", wait)
	default:
		t.Errorf("enginetest: closing the database: %v", err)
	}
}

// leftOpen lists what the test has not ended.
func leftOpen(db *engine.DB, w *watch) (leaks []string) {
	poll(patience, func() bool {
		leaks = leaks[:0]
		open, views := w.transactions()
		for _, tx := range open {
			leaks = append(leaks, tx+" is still running at the end of the test: wait for its goroutine")
		}
		st := db.Stats()
		if rows := st.Readers.InUse + st.Analytics.InUse + st.Maintenance.InUse - views; rows > 0 {
			leaks = append(leaks, fmt.Sprintf("rows of %d queries are still open at the end of the test: close them, read them to the end, or range over All", rows))
		}
		return len(leaks) == 0
	})
	return leaks
}

// dangling is a row of PRAGMA foreign_key_check.
type dangling struct {
	Table  string
	RowID  *int64 `db:"rowid"` // nil in a table WITHOUT ROWID
	Parent string
	Key    int64 `db:"fkid"`
}

// inspect lists the faults of a database.
func inspect(ctx context.Context, db *engine.DB) (faults []string, err error) {
	found, err := engine.All[string](ctx, db, fmt.Sprintf("PRAGMA integrity_check(%d)", most), engine.WithClass(engine.ClassMaintenance))
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		if f != "ok" {
			faults = append(faults, "the database is damaged: "+f)
		}
	}
	n := 0
	for row, err := range engine.Each[dangling](ctx, db, "PRAGMA foreign_key_check", engine.WithClass(engine.ClassMaintenance)) {
		if err != nil {
			return faults, err
		}
		if n++; n > most {
			faults = append(faults, "and more rows without a parent")
			break
		}
		which := "a row"
		if row.RowID != nil {
			which = fmt.Sprintf("row %d", *row.RowID)
		}
		faults = append(faults, fmt.Sprintf("%s of table %s points to a row of %s that does not exist (foreign key %d)", which, row.Table, row.Parent, row.Key))
	}
	return faults, nil
}

// inspectClosed is inspect for a database that the test has closed itself. One in memory is gone; a file is opened once more.
func inspectClosed(ctx context.Context, cfg engine.Config) ([]string, error) {
	again := cfg
	again.ReadOnly, again.Create, again.Adopt, again.Migrations, again.TracerProvider = true, false, false, nil, nil
	db, err := engine.Open(ctx, again)
	switch {
	case errors.Is(err, engine.ErrCannotOpen), errors.Is(err, engine.ErrConfig):
		return nil, nil // in memory, or the test has removed it
	case err != nil:
		return nil, err
	}
	faults, err := inspect(ctx, db)
	return faults, errors.Join(err, db.Close())
}
