package lane_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/testconn"
)

// The first connection waits for another program that has the file to itself, as the last to close a database has, and gives up when its time is over.
func TestFirstConnectionWaits(t *testing.T) {
	t.Parallel()
	for _, gives := range []bool{true, false} {
		path, met := filepath.Join(t.TempDir(), "test.db"), make(chan error, 100)
		opt := sqlite.DefaultOptions()
		opt.Dial.After = func(err error) {
			select {
			case met <- err:
			default: // enough of them
			}
		}
		store, err := sqlite.Open(t.Context(), sqlite.Location{Path: path}, opt)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		giveBack := testconn.Seize(t, path)
		cfg := lane.DefaultConfig()
		cfg.Logger = slog.New(slog.DiscardHandler)
		cfg.Writer.BusyTimeout = 50 * time.Millisecond
		if gives {
			cfg.Writer.BusyTimeout = time.Minute
		}
		type opened struct {
			l   *lane.Lanes
			err error
		}
		done := make(chan opened, 1)
		go func() {
			l, err := lane.Open(t.Context(), store, cfg, nil)
			done <- opened{l, err}
		}()
		if err := <-met; sqlite.ClassOf(err) != sqlite.Busy {
			t.Errorf("the file was not locked: %v", err)
		}
		if gives {
			giveBack()
		}
		o := <-done
		giveBack()
		if gives != (o.err == nil) || !gives && sqlite.ClassOf(o.err) != sqlite.Busy {
			t.Errorf("the other program gives the file back: %v, the lanes open with %v", gives, o.err)
		}
		if o.err == nil {
			if err := o.l.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}
