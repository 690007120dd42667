package migrations_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"testing"

	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/migrations"
)

var update = flag.Bool("update", false, "write engine.sum again")

func TestSumFile(t *testing.T) {
	t.Parallel()
	want, err := migrate.Sum(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(migrate.SumFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := fs.ReadFile(migrations.FS, migrate.SumFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s does not fit the files; a released file must not change, a new one needs -update\ngot  %s\nwant %s", migrate.SumFile, got, want)
	}
}

func TestSetLoads(t *testing.T) {
	t.Parallel()
	if *update {
		t.Skip("the embedded sum file is the one from before -update")
	}
	set, err := migrate.Load(migrations.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range set.Migrations() {
		if len(m.Verify) == 0 {
			t.Errorf("%s verifies nothing", m.File)
		}
	}
}
