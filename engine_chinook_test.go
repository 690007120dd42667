package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/shared"
)

// chinook copies the real database of another program to a folder of its own.
func chinook(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(shared.Path(t, "data", "chinook.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "chinook.sqlite")
	write(t, path, data)
	return path
}

const invoices = `SELECT c.Country, count(*), sum(i.Total) FROM Customer c JOIN Invoice i USING (CustomerId) GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT 1`

func TestChinookIsReadAndLeftAlone(t *testing.T) {
	t.Parallel()
	path := chinook(t)
	before := files(t, filepath.Dir(path))
	db := openAt(t, path)
	var country string
	var n int
	var total float64
	if err := db.QueryRow(t.Context(), invoices).Scan(&country, &n, &total); err != nil {
		t.Fatal(err)
	}
	if country != "USA" || n != 91 || total < 523.05 || total > 523.07 {
		t.Errorf("the largest market is %s with %d invoices of %v", country, n, total)
	}
	err := db.View(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		rows, err := tx.Query(ctx, "SELECT Name, Composer FROM Track WHERE Composer IS NULL")
		if err != nil {
			return err
		}
		n := 0
		for r, err := range rows.All() {
			if err != nil {
				return err
			}
			var track struct {
				Name     string
				Composer *string
			}
			if err := r.Scan(&track); err != nil {
				return err
			}
			n++
		}
		if n < 900 {
			t.Errorf("%d tracks without a composer", n)
		}
		return nil
	}, engine.WithClass(engine.ClassAnalytics))
	if err != nil {
		t.Fatal(err)
	}
	// Reading is fine, and whoever means to trade on it must be told now.
	health := db.Health(t.Context())
	check(t, health, "write")
	for _, c := range health.Checks {
		if c.OK != (c.Name != "write") || c.Name == "write" && !strings.Contains(c.Remedy, "adopt") {
			t.Errorf("health: %+v", c)
		}
	}
	refused := map[string]error{}
	_, refused["Exec"] = db.Exec(t.Context(), "UPDATE Artist SET Name = 'x'")
	refused["Query"] = drained(db.Query(t.Context(), "INSERT INTO Artist (Name) VALUES ('x') RETURNING ArtistId"))
	refused["Update"] = db.Update(t.Context(), func(context.Context, *engine.Tx) error { t.Error("the closure ran"); return nil })
	_, refused["DDL"] = db.Exec(t.Context(), "CREATE TABLE x (a)")
	for how, err := range refused {
		t.Run(how, func(t *testing.T) {
			wantOnly(t, err, engine.ErrNotAdopted)
			wantText(t, err, "chinook.sqlite", "Config.Adopt", "copy")
		})
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if after := files(t, filepath.Dir(path)); after != before {
		t.Errorf("the folder has changed.\nbefore:\n%s\nafter:\n%s", before, after)
	}
}

func TestChinookIsAdopted(t *testing.T) {
	t.Parallel()
	path := chinook(t)
	original, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pristine := digest(t, openAt(t, chinook(t)))
	cfg := config(path)
	cfg.Adopt = true
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if digest(t, db) != pristine {
		t.Error("adoption has changed the contents")
	}
	res, err := db.Exec(t.Context(), "INSERT INTO Artist (Name) VALUES (?)", "Tide and the Gates")
	if err != nil || res.RowsAffected != 1 {
		t.Fatalf("%+v, %v", res, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	kept := path + ".before-adoption"
	if copied, err := os.ReadFile(kept); err != nil || len(copied) != len(original) {
		t.Fatalf("the copy has %d bytes (%v), the original %d", len(copied), err, len(original))
	}
	if digest(t, openAt(t, kept)) != pristine {
		t.Error("the copy does not hold what the original held")
	}
	for range 2 { // it is managed now: adopted once, it opens with and without Adopt
		db = openAt(t, path)
		if n := one(t, db, "SELECT count(*) FROM Artist WHERE Name = ?", "Tide and the Gates"); n != 1 {
			t.Errorf("%d artists, want the new one", n)
		}
		exec(t, db, "UPDATE Artist SET Name = Name WHERE ArtistId = 1")
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = openAt(t, path, func(c *engine.Config) { c.Adopt = true })
		exec(t, db, "UPDATE Artist SET Name = Name WHERE ArtistId = 1")
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestChinookIsNotAdoptedWithoutCopy has the copy's name taken, so that adoption must fail.
func TestChinookIsNotAdoptedWithoutCopy(t *testing.T) {
	t.Parallel()
	path := chinook(t)
	write(t, path+".before-adoption", []byte("somebody's file"))
	before := files(t, filepath.Dir(path))
	cfg := config(path)
	cfg.Adopt = true
	_, err := engine.Open(t.Context(), cfg)
	wantOnly(t, err, engine.ErrCannotOpen)
	wantText(t, err, ".before-adoption", "exists already", "move it away")
	if after := files(t, filepath.Dir(path)); after != before {
		t.Errorf("the folder has changed.\nbefore:\n%s\nafter:\n%s", before, after)
	}
	for _, url := range []string{"file:" + path + "?mode=ro", path} {
		cfg := config(url)
		cfg.Adopt, cfg.ReadOnly = true, !strings.HasPrefix(url, "file:")
		db, err := engine.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if after := files(t, filepath.Dir(path)); after != before {
			t.Error("reading has adopted it")
		}
	}
}

// TestChinookIsAdoptedWithMigrations takes it over and brings a schema along.
func TestChinookIsAdoptedWithMigrations(t *testing.T) {
	t.Parallel()
	path := chinook(t)
	cfg := config(path)
	cfg.Adopt, cfg.Migrations = true, schema(t, 2)
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if v := db.Stats().SchemaVersion; v != 2 {
		t.Errorf("schema version %d, want 2", v)
	}
	exec(t, db, "INSERT INTO t2 VALUES (1, 'x')", "UPDATE Artist SET Name = 'y' WHERE ArtistId = 1")
}
