package engine_test

import (
	"path/filepath"
	"testing"

	"github.com/tidegate/engine"
)

// Programs that open a database at the same instant, one of which has to make it, all get it.
func TestOpenTogether(t *testing.T) {
	t.Parallel()
	for range 20 {
		path := filepath.Join(t.TempDir(), "test.db")
		const openers = 5
		errs := make(chan error, openers)
		begin := make(chan struct{})
		for range openers {
			go func() {
				<-begin
				db, err := engine.Open(t.Context(), config(path))
				if err == nil {
					defer db.Close()
					_, err = db.Exec(t.Context(), "CREATE TABLE IF NOT EXISTS t (n INTEGER NOT NULL) STRICT")
				}
				errs <- err
			}()
		}
		close(begin)
		for range openers {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	}
}
