package sqlite_test

import (
	"strings"
	"testing"

	"github.com/tidegate/engine/core/sqlite"
)

func TestGuardRefuses(t *testing.T) {
	t.Parallel()
	s := open(t)
	w := connect(t, s, sqlite.Writer)
	must(t, w.Exec("CREATE TABLE t(a); CREATE TABLE _tg_own(a); CREATE TABLE log(a)"))
	must(t, w.Exec("CREATE TRIGGER _tg_note AFTER INSERT ON t BEGIN INSERT INTO _tg_own VALUES(new.a); END"))
	for sql, remedy := range map[string]string{
		"BEGIN":                            "a transaction of the engine",
		"BEGIN IMMEDIATE":                  "a transaction of the engine",
		"COMMIT":                           "a transaction of the engine",
		"ROLLBACK":                         "a transaction of the engine",
		"SAVEPOINT _tg_job":                "another name",
		"ROLLBACK TO _TG_job":              "another name",
		"RELEASE _tg_job":                  "another name",
		"ATTACH 'x.db' AS x":               "a second engine",
		"DETACH main":                      "DETACH is refused",
		"CREATE TEMP TABLE x(a)":           "a plain table",
		"CREATE TEMP VIEW x AS SELECT 1":   "a plain table",
		"CREATE TABLE temp.x(a)":           "a plain table",
		"PRAGMA journal_mode=DELETE":       "the configuration",
		"PRAGMA synchronous=OFF":           "the configuration",
		"PRAGMA user_version=7":            "the configuration",
		"PRAGMA foreign_keys=OFF":          "the configuration",
		"PRAGMA writable_schema=ON":        "the configuration",
		"PRAGMA locking_mode=EXCLUSIVE":    "the configuration",
		"PRAGMA wal_checkpoint(TRUNCATE)":  "maintenance",
		"PRAGMA main.cache_size=1":         "the configuration",
		"INSERT INTO _tg_own VALUES(1)":    "belongs to the engine",
		"UPDATE _tg_own SET a=1":           "belongs to the engine",
		"DELETE FROM _TG_OWN":              "belongs to the engine",
		"DROP TABLE _tg_own":               "belongs to the engine",
		"ALTER TABLE _tg_own ADD COLUMN b": "belongs to the engine",
		"CREATE TABLE _tg_new(a)":          "belongs to the engine",
		"CREATE INDEX i ON _tg_own(a)":     "belongs to the engine",
		"DROP TRIGGER _tg_note":            "belongs to the engine",
		"CREATE TRIGGER x AFTER INSERT ON _tg_own BEGIN SELECT 1; END": "belongs to the engine",
		"CREATE TRIGGER _tg_x AFTER INSERT ON t BEGIN SELECT 1; END":   "belongs to the engine",
		"SELECT load_extension('x')":                                   "",
	} {
		_, err := w.Prepare(sql)
		if err == nil {
			t.Errorf("%s was allowed", sql)
			continue
		}
		if sql != "SELECT load_extension('x')" && sqlite.ClassOf(err) != sqlite.Auth {
			t.Errorf("%s: class %v: %v", sql, sqlite.ClassOf(err), err)
		}
		if !strings.Contains(err.Error(), remedy) {
			t.Errorf("%s: %v does not say %q", sql, err, remedy)
		}
	}
	// A trigger of a user that writes an engine table is caught when it fires, one of the engine's is not.
	must(t, run(w, "INSERT INTO t VALUES(1)"))
	wantInt(t, w, "SELECT count(*) FROM _tg_own", 1)
	must(t, run(w, "CREATE TRIGGER sly AFTER INSERT ON log BEGIN DELETE FROM _tg_own; END"))
	wantClass(t, run(w, "INSERT INTO log VALUES(1)"), sqlite.Auth)
	wantInt(t, w, "SELECT count(*) FROM _tg_own", 1)
	// VACUUM attaches its copy.
	wantClass(t, run(w, "VACUUM"), sqlite.Auth)
	// What a pragma function runs is guarded, too.
	wantClass(t, run(w, "SELECT * FROM pragma_cache_size"), sqlite.Auth)
}

func TestGuardAllows(t *testing.T) {
	t.Parallel()
	s := open(t)
	w := connect(t, s, sqlite.Writer)
	for _, sql := range []string{
		"CREATE TABLE t(a INTEGER PRIMARY KEY, b REFERENCES t)", "CREATE INDEX i ON t(b)", "CREATE VIEW v AS SELECT * FROM t",
		"INSERT INTO t VALUES(1, NULL)", "SAVEPOINT mine", "ROLLBACK TO mine", "RELEASE mine", "ANALYZE", "REINDEX",
		"PRAGMA table_info(t)", "PRAGMA table_xinfo('t')", "PRAGMA table_list", "PRAGMA index_list(t)", "PRAGMA index_info(i)",
		"PRAGMA index_xinfo(i)", "PRAGMA foreign_key_list(t)", "PRAGMA foreign_key_check", "PRAGMA integrity_check(5)",
		"PRAGMA quick_check", "PRAGMA user_version", "PRAGMA application_id", "PRAGMA schema_version", "PRAGMA page_count",
		"PRAGMA page_size", "PRAGMA freelist_count", "PRAGMA encoding", "PRAGMA compile_options", "PRAGMA function_list",
		"PRAGMA collation_list", "PRAGMA database_list", "PRAGMA journal_mode", "SELECT * FROM pragma_table_info('t')",
		"EXPLAIN QUERY PLAN SELECT * FROM t", "DROP VIEW v", "DROP TABLE t",
	} {
		if err := run(w, sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestGuardKinds(t *testing.T) {
	t.Parallel()
	s := open(t)
	w := connect(t, s, sqlite.Writer)
	must(t, w.Exec("CREATE TABLE t(a)"))

	w.SetGuard(sqlite.Guard{Trusted: true})
	must(t, run(w, "PRAGMA user_version=9"))
	must(t, run(w, "CREATE TABLE _tg_x(a)"))
	w.SetGuard(sqlite.Guard{})
	// The same text was compiled for the trusted caller; a user must not get that statement.
	wantClass(t, run(w, "PRAGMA user_version=9"), sqlite.Auth)

	w.SetGuard(sqlite.Guard{ReadOnly: true})
	must(t, run(w, "SELECT * FROM t"))
	wantClass(t, run(w, "INSERT INTO t VALUES(1)"), sqlite.Auth)
	wantClass(t, run(w, "CREATE TABLE x(a)"), sqlite.Auth)

	w.SetGuard(sqlite.Guard{Migration: true})
	must(t, run(w, "INSERT INTO _tg_x VALUES(1)"))
	must(t, run(w, "PRAGMA defer_foreign_keys=ON"))
	wantClass(t, run(w, "COMMIT"), sqlite.Auth)
	wantClass(t, run(w, "ATTACH ':memory:' AS x"), sqlite.Auth)
	wantClass(t, run(w, "PRAGMA journal_mode=DELETE"), sqlite.Auth)
}

func TestClass(t *testing.T) {
	t.Parallel()
	s := open(t)
	w := connect(t, s, sqlite.Writer)
	must(t, w.Exec(`
		CREATE TABLE plain(id INTEGER PRIMARY KEY, a NOT NULL, b UNIQUE CHECK (b <> 13));
		CREATE TABLE strict_null(id INTEGER PRIMARY KEY, a NOT NULL ON CONFLICT ROLLBACK);
		CREATE TABLE strict_unique(a UNIQUE ON CONFLICT ROLLBACK);
		CREATE TABLE failing(a UNIQUE ON CONFLICT FAIL);
		CREATE TABLE watched(a);
		CREATE TRIGGER kill AFTER INSERT ON watched WHEN new.a = 666 BEGIN SELECT RAISE(ROLLBACK, 'killed'); END;
		CREATE TABLE chained(a);
		CREATE TRIGGER chain AFTER INSERT ON chained BEGIN INSERT INTO watched VALUES(new.a); END;
		CREATE TABLE partly(a);
		CREATE TRIGGER part AFTER INSERT ON partly BEGIN SELECT RAISE(FAIL, 'enough') WHERE new.a = 2; END;
		CREATE TABLE parent(id INTEGER PRIMARY KEY); CREATE TABLE child(p REFERENCES parent ON DELETE CASCADE);
		CREATE TRIGGER orphan AFTER DELETE ON child BEGIN SELECT RAISE(ROLLBACK, 'no'); END;
		CREATE TABLE counted(a);
		CREATE TRIGGER counts AFTER INSERT ON counted BEGIN UPDATE plain SET a = 1; SELECT RAISE(ABORT, 'none') WHERE changes() = 0; END;
		CREATE VIEW "what's new" AS SELECT last_insert_rowid() AS id;
		CREATE VIEW v AS SELECT a FROM plain;
		CREATE TRIGGER vi INSTEAD OF INSERT ON v BEGIN INSERT OR ROLLBACK INTO plain(a) VALUES(new.a); END;`))
	type want struct{ readOnly, ends, partial, ddl, conn, explain bool }
	for sql, k := range map[string]want{
		"SELECT * FROM plain":                                        {readOnly: true},
		"INSERT INTO plain(a,b) VALUES(1,2)":                         {},
		"INSERT OR IGNORE INTO plain(a,b) VALUES(1,2)":               {},
		"INSERT OR REPLACE INTO plain(a,b) VALUES(1,2)":              {},
		"INSERT OR ABORT INTO plain(a,b) VALUES(1,2)":                {},
		"UPDATE plain SET a=1":                                       {},
		"INSERT OR ROLLBACK INTO plain(a,b) VALUES(1,2)":             {ends: true},
		"UPDATE OR ROLLBACK plain SET b=1":                           {ends: true},
		"INSERT OR FAIL INTO plain(a,b) VALUES(1,2)":                 {partial: true},
		"INSERT INTO strict_null(a) VALUES(?)":                       {ends: true},
		"INSERT INTO strict_unique VALUES(1)":                        {ends: true},
		"INSERT INTO failing VALUES(1)":                              {partial: true},
		"INSERT INTO watched VALUES(1)":                              {ends: true},
		"INSERT INTO chained VALUES(1)":                              {ends: true},
		"INSERT INTO partly VALUES(1)":                               {partial: true},
		"DELETE FROM parent":                                         {ends: true},
		"INSERT INTO v VALUES(1)":                                    {ends: true},
		"SELECT last_insert_rowid()":                                 {readOnly: true, conn: true},
		"SELECT Changes() + total_changes()":                         {readOnly: true, conn: true},
		"INSERT INTO plain(a) VALUES(last_insert_rowid())":           {conn: true},
		"INSERT INTO counted VALUES(1)":                              {},
		`SELECT id FROM "what's new"`:                                {readOnly: true, conn: true},
		`INSERT INTO counted SELECT id FROM "what's new"`:            {conn: true},
		"CREATE TABLE other(a)":                                      {ddl: true},
		"DROP TABLE failing":                                         {ddl: true},
		"ALTER TABLE plain ADD COLUMN c":                             {ddl: true},
		"  /* hm */ explain query plan SELECT * FROM plain":          {readOnly: true, explain: true},
		"-- OR ROLLBACK\nINSERT INTO plain(a) VALUES('OR ROLLBACK')": {},
	} {
		st, err := w.Prepare(sql)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		c := st.Class()
		got := want{c.ReadOnly, c.EndsTx, c.Partial, c.DDL, c.UsesConnState, c.Explain}
		if got != k {
			t.Errorf("%s: %+v, want %+v", sql, got, k)
		}
		st.Release()
	}

}

func TestClassOfTransactionControl(t *testing.T) {
	t.Parallel()
	s := open(t)
	w := connect(t, s, sqlite.Writer)
	w.SetGuard(sqlite.Guard{Trusted: true})
	for sql, ends := range map[string]bool{"COMMIT": true, "END": true, "ROLLBACK": true, "ROLLBACK TRANSACTION TO x": false, "ROLLBACK TO x": false, "SAVEPOINT x": false, "BEGIN": false} {
		st, err := w.Prepare(sql)
		must(t, err)
		if st.Class().EndsTx != ends {
			t.Errorf("%s: EndsTx %v", sql, st.Class().EndsTx)
		}
		st.Release()
	}
}

// TestClassHolds: what the class claims is what happens when the statement runs, and it follows the schema.
func TestClassHolds(t *testing.T) {
	t.Parallel()
	s := open(t)
	w := connect(t, s, sqlite.Writer)
	must(t, w.Exec(`
		CREATE TABLE plain(id INTEGER PRIMARY KEY, a); CREATE TABLE watched(a); CREATE TABLE partly(a);
		CREATE TRIGGER kill AFTER INSERT ON watched WHEN new.a = 666 BEGIN SELECT RAISE(ROLLBACK, 'killed'); END;
		CREATE TRIGGER part AFTER INSERT ON partly BEGIN SELECT RAISE(FAIL, 'enough') WHERE new.a = 2; END;`))
	// A trigger made later changes the class of a statement compiled before.
	st, err := w.Prepare("UPDATE plain SET a=1")
	must(t, err)
	if st.Class().EndsTx {
		t.Fatal("ends the transaction before the trigger exists")
	}
	gen := s.SchemaGen()
	must(t, run(w, "CREATE TRIGGER late AFTER UPDATE ON plain BEGIN SELECT RAISE(ROLLBACK, 'late'); END"))
	if s.SchemaGen() == gen {
		t.Fatal("the schema generation did not move")
	}
	if !st.Class().EndsTx {
		t.Fatal("the class was not learned anew")
	}
	st.Release()

	// The claim of the class holds when the statement runs.
	must(t, w.Exec("BEGIN IMMEDIATE"))
	wantClass(t, run(w, "INSERT INTO watched VALUES(666)"), sqlite.Constraint)
	if !w.Autocommit() {
		t.Fatal("RAISE(ROLLBACK) left the transaction open")
	}
	must(t, w.Exec("BEGIN IMMEDIATE"))
	wantClass(t, run(w, "INSERT INTO partly VALUES(1),(2),(3)"), sqlite.Constraint)
	wantInt(t, w, "SELECT count(*) FROM partly", 2)
	must(t, w.Exec("ROLLBACK"))
}

// TestClassAcrossTransaction: a rollback undoes DDL, and with it what was learned since.
func TestClassAcrossTransaction(t *testing.T) {
	t.Parallel()
	s := open(t)
	w := connect(t, s, sqlite.Writer)
	must(t, run(w, "CREATE TABLE t(a)"))
	st, err := w.Prepare("INSERT INTO t VALUES(1)")
	must(t, err)
	defer st.Release()
	must(t, w.Exec("BEGIN IMMEDIATE"))
	must(t, run(w, "CREATE TRIGGER k AFTER INSERT ON t BEGIN SELECT RAISE(ROLLBACK, 'k'); END"))
	if !st.Class().EndsTx {
		t.Fatal("inside the transaction the trigger exists")
	}
	must(t, w.Exec("ROLLBACK"))
	if st.Class().EndsTx {
		t.Fatal("after the rollback the trigger is gone")
	}
}
