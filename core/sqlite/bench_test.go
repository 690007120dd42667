package sqlite_test

import (
	"path/filepath"
	"testing"

	driver "github.com/ncruces/go-sqlite3"

	"github.com/tidegate/engine/core/sqlite"
)

const (
	benchRows  = 10000
	benchQuery = "SELECT id, name, price FROM t WHERE id = ?"
	benchFill  = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 10000) INSERT INTO t SELECT i, 'name' || i, i * 1.5 FROM n"
)

// BenchmarkPointRead compares one row by key through this package with the bare driver holding its statement ready.
func BenchmarkPointRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "b.db")
	s := openAt(b, path)
	w := connect(b, s, sqlite.Writer)
	must(b, run(w, "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, price REAL)"))
	must(b, run(w, benchFill))

	for _, tx := range []struct{ name, begin, end string }{{"alone", "", ""}, {"in transaction", "BEGIN", "COMMIT"}} {
		b.Run("bare "+tx.name, func(b *testing.B) {
			raw, err := driver.Open("file:" + path + "?_pragma=cache_size(-4096)")
			must(b, err)
			defer raw.Close()
			must(b, raw.Exec(tx.begin))
			st, _, err := raw.PrepareFlags(benchQuery, driver.PREPARE_PERSISTENT)
			must(b, err)
			defer st.Close()
			var buf []byte
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				must(b, st.BindInt64(1, int64(i*7919%benchRows+1)))
				if !st.Step() {
					b.Fatal(st.Err())
				}
				var id int64
				var price float64
				for col := range 3 { // a reader that does not know the types
					switch st.ColumnType(col) {
					case driver.INTEGER:
						id = st.ColumnInt64(col)
					case driver.FLOAT:
						price = st.ColumnFloat(col)
					case driver.TEXT:
						buf = append(buf[:0], st.ColumnRawText(col)...)
					}
				}
				if id == 0 || price == 0 || len(buf) == 0 {
					b.Fatal("wrong row")
				}
				must(b, st.Reset())
			}
			must(b, raw.Exec(tx.end))
		})
		b.Run("sqlite "+tx.name, func(b *testing.B) {
			r := connect(b, s, sqlite.Reader)
			if tx.begin != "" {
				must(b, r.Exec(tx.begin))
			}
			var row sqlite.Row
			args := make([]any, 1)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				args[0] = int64(i*7919%benchRows + 1)
				st, err := r.Prepare(benchQuery)
				must(b, err)
				must(b, st.Bind(args))
				if ok, err := st.Step(); !ok || err != nil {
					b.Fatal(ok, err)
				}
				must(b, st.Row(&row))
				if row.Values[0].Int == 0 || row.Values[2].Float == 0 {
					b.Fatal("wrong row")
				}
				st.Release()
			}
			if tx.end != "" {
				must(b, r.Exec(tx.end))
			}
		})
	}
}

// BenchmarkInsert is one small row in a transaction that is never committed: the cost of a write without the disk.
func BenchmarkInsert(b *testing.B) {
	s := open(b)
	w := connect(b, s, sqlite.Writer)
	must(b, run(w, "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, price REAL)"))
	must(b, w.Exec("BEGIN IMMEDIATE"))
	b.ReportAllocs()
	args := []any{"name", 1.5}
	for b.Loop() {
		st, err := w.Prepare("INSERT INTO t(name, price) VALUES(?, ?)")
		must(b, err)
		must(b, st.Bind(args))
		if _, err := st.Step(); err != nil {
			b.Fatal(err)
		}
		st.Release()
	}
	must(b, w.Exec("ROLLBACK"))
}

func BenchmarkConnect(b *testing.B) {
	s := open(b)
	connect(b, s, sqlite.Writer)
	for b.Loop() {
		c, err := s.Connect(b.Context(), sqlite.Reader)
		must(b, err)
		must(b, c.Close())
	}
}

func BenchmarkHasMoved(b *testing.B) {
	s := open(b)
	connect(b, s, sqlite.Writer)
	for b.Loop() {
		if moved, what, err := s.HasMoved(); moved || err != nil {
			b.Fatal(moved, what, err)
		}
	}
}
