package ent_test

import (
	"context"
	stdsql "database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"entgo.io/ent/dialect/sql/schema"
	"entgo.io/ent/dialect/sql/sqlgraph"
	"entgo.io/ent/schema/field"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/compat"
)

// tables is what ent generates as migrate/schema.go for a user and his orders.
func tables() []*schema.Table {
	users := &schema.Table{Name: "users", Columns: []*schema.Column{
		{Name: "id", Type: field.TypeInt, Increment: true},
		{Name: "name", Type: field.TypeString, Unique: true},
		{Name: "balance", Type: field.TypeInt64},
		{Name: "active", Type: field.TypeBool, Default: true},
		{Name: "created_at", Type: field.TypeTime},
		{Name: "closed_at", Type: field.TypeTime, Nullable: true},
		{Name: "secret", Type: field.TypeBytes, Nullable: true},
	}}
	users.PrimaryKey = users.Columns[:1]
	orders := &schema.Table{Name: "orders", Columns: []*schema.Column{
		{Name: "id", Type: field.TypeInt, Increment: true},
		{Name: "qty", Type: field.TypeInt},
		{Name: "user_orders", Type: field.TypeInt, Nullable: true},
	}}
	orders.PrimaryKey = orders.Columns[:1]
	orders.ForeignKeys = []*schema.ForeignKey{{Symbol: "orders_users_orders", Columns: orders.Columns[2:], RefTable: users,
		RefColumns: users.Columns[:1], OnDelete: schema.SetNull}}
	return []*schema.Table{users, orders}
}

func userID() *sqlgraph.FieldSpec { return sqlgraph.NewFieldSpec("id", field.TypeInt) }

// migrated does what the document says for programs of ent: its migration is written out, not run, and what it would run is one script.
func migrated(t *testing.T, drv *sql.Driver, tables ...*schema.Table) {
	t.Helper()
	var plan strings.Builder
	m, err := schema.NewMigrate(&schema.WriteDriver{Driver: drv, Writer: &plan})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Create(t.Context(), tables...); err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for line := range strings.Lines(plan.String()) {
		if strings.Contains(line, "foreign_keys") || strings.HasPrefix(line, "BEGIN") || strings.HasPrefix(line, "COMMIT") {
			continue // the script is a transaction, and no table of it is built anew
		}
		script.WriteString(line)
	}
	if strings.Contains(script.String(), "DROP TABLE") {
		t.Fatalf("a table would be built anew:\n%s", &script)
	}
	if _, err := drv.DB().Exec(script.String()); err != nil {
		t.Fatal(err)
	}
}

func each(t *testing.T, test func(t *testing.T, drv *sql.Driver)) {
	for name, opts := range map[string][]engine.SQLOption{"immediate": nil, "read first": {engine.ReadFirst()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, _ := compat.Open(t, opts...)
			test(t, sql.OpenDB(dialect.SQLite, pool))
		})
	}
}

// create is what user.Create().Save does.
func create(ctx context.Context, drv dialect.Driver, name string, balance int64, at time.Time) (int, error) {
	spec := sqlgraph.NewCreateSpec("users", userID())
	spec.SetField("name", field.TypeString, name)
	spec.SetField("balance", field.TypeInt64, balance)
	spec.SetField("active", field.TypeBool, true)
	spec.SetField("created_at", field.TypeTime, at)
	spec.SetField("secret", field.TypeBytes, []byte{0, 255})
	if err := sqlgraph.CreateNode(ctx, drv, spec); err != nil {
		return 0, err
	}
	id, ok := spec.ID.Value.(int64)
	if !ok {
		return 0, errors.New("the identifier is not an int64")
	}
	return int(id), nil
}

type user struct {
	id      int
	name    string
	balance int64
	active  bool
	created time.Time
	closed  stdsql.NullTime
	secret  []byte
}

// find is what user.Query().Where(…).Order(…).All does.
func find(ctx context.Context, drv dialect.Driver, where func(*sql.Selector)) (out []user, err error) {
	spec := sqlgraph.NewQuerySpec("users", []string{"id", "name", "balance", "active", "created_at", "closed_at", "secret"}, userID())
	spec.Predicate = where
	spec.Order = func(s *sql.Selector) { s.OrderBy("id") }
	spec.ScanValues = func([]string) ([]any, error) {
		return []any{new(stdsql.NullInt64), new(stdsql.NullString), new(stdsql.NullInt64), new(stdsql.NullBool), new(stdsql.NullTime),
			new(stdsql.NullTime), new([]byte)}, nil
	}
	spec.Assign = func(_ []string, v []any) error {
		out = append(out, user{int(v[0].(*stdsql.NullInt64).Int64), v[1].(*stdsql.NullString).String, v[2].(*stdsql.NullInt64).Int64,
			v[3].(*stdsql.NullBool).Bool, v[4].(*stdsql.NullTime).Time, *v[5].(*stdsql.NullTime), *v[6].(*[]byte)})
		return nil
	}
	return out, sqlgraph.QueryNodes(ctx, drv, spec)
}

func TestEntNodes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, drv *sql.Driver) {
		migrated(t, drv, tables()...)
		ctx, at := t.Context(), time.Date(2024, 5, 6, 7, 8, 9, 10, time.UTC)
		ann, err := create(ctx, drv, "ann", 100, at)
		if err != nil {
			t.Fatal(err)
		}
		bob, err := create(ctx, drv, "bob", 5, at)
		if err != nil || bob == ann {
			t.Fatalf("%d and %d, %v", ann, bob, err)
		}
		if _, err := create(ctx, drv, "bob", 5, at); !sqlgraph.IsUniqueConstraintError(err) {
			t.Errorf("ent does not know this for a unique constraint: %v", err)
		}
		batch := &sqlgraph.BatchCreateSpec{}
		for i := range 3 {
			n := sqlgraph.NewCreateSpec("orders", sqlgraph.NewFieldSpec("id", field.TypeInt))
			n.SetField("qty", field.TypeInt, i)
			n.Edges = append(n.Edges, &sqlgraph.EdgeSpec{Rel: sqlgraph.M2O, Inverse: true, Table: "orders", Columns: []string{"user_orders"},
				Target: &sqlgraph.EdgeTarget{IDSpec: userID(), Nodes: []driver.Value{ann}}})
			batch.Nodes = append(batch.Nodes, n)
		}
		if err := sqlgraph.BatchCreate(ctx, drv, batch); err != nil {
			t.Fatal(err)
		}
		update := sqlgraph.NewUpdateSpec("users", []string{"id", "balance"}, userID())
		update.Predicate = func(s *sql.Selector) { s.Where(sql.EQ("name", "ann")) }
		update.AddField("balance", field.TypeInt64, int64(-30))
		update.SetField("closed_at", field.TypeTime, at)
		if n, err := sqlgraph.UpdateNodes(ctx, drv, update); n != 1 || err != nil {
			t.Errorf("%d rows, %v", n, err)
		}
		got, err := find(ctx, drv, func(s *sql.Selector) { s.Where(sql.In("id", ann, bob)) })
		if err != nil || len(got) != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
		if u := got[0]; u.name != "ann" || u.balance != 70 || !u.active || !u.created.Equal(at) || !u.closed.Time.Equal(at) || string(u.secret) != "\x00\xff" {
			t.Errorf("read %+v", u)
		}
		n, err := sqlgraph.DeleteNodes(ctx, drv, &sqlgraph.DeleteSpec{Node: &sqlgraph.NodeSpec{Table: "users", ID: userID()},
			Predicate: func(s *sql.Selector) { s.Where(sql.EQ("id", ann)) }})
		if n != 1 || err != nil {
			t.Errorf("%d rows deleted, %v", n, err)
		}
		var orphans stdsql.NullInt64
		rows := &sql.Rows{}
		if err := drv.Query(ctx, "SELECT count(*) FROM orders WHERE user_orders IS NULL", []any{}, rows); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(sql.ScanOne(rows, &orphans), rows.Close()); err != nil || orphans.Int64 != 3 {
			t.Errorf("%d orders without a user, %v", orphans.Int64, err)
		}
	})
}

// inTx is what ent generates as tx.go: a driver whose statements are those of one transaction.
type inTx struct {
	dialect.ExecQuerier
	of dialect.Tx
}

func (t inTx) Dialect() string                        { return dialect.SQLite }
func (t inTx) Close() error                           { return nil }
func (t inTx) Tx(context.Context) (dialect.Tx, error) { return t.of, nil }

func TestEntTransactions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, drv *sql.Driver) {
		migrated(t, drv, tables()...)
		ctx := t.Context()
		for _, commit := range []bool{false, true} {
			tx, err := drv.Tx(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := create(ctx, inTx{tx, tx}, "ann", 100, time.Now()); err != nil {
				t.Fatal(err)
			}
			if seen, err := find(ctx, inTx{tx, tx}, func(s *sql.Selector) {}); err != nil || len(seen) != 1 {
				t.Errorf("the transaction sees %d users, %v", len(seen), err)
			}
			want := 0
			if commit {
				want, err = 1, tx.Commit()
			} else {
				err = tx.Rollback()
			}
			if err != nil {
				t.Fatal(err)
			}
			if left, err := find(ctx, drv, func(s *sql.Selector) {}); err != nil || len(left) != want {
				t.Errorf("%d users after the end, want %d, %v", len(left), want, err)
			}
		}
	})
}

// A second migration adds a table, a column and an index.
func TestEntSchemaChanges(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, drv *sql.Driver) {
		migrated(t, drv, tables()...)
		ctx := t.Context()
		if _, err := create(ctx, drv, "ann", 100, time.Now()); err != nil {
			t.Fatal(err)
		}
		changed := tables()
		changed[0].Columns = append(changed[0].Columns, &schema.Column{Name: "tier", Type: field.TypeInt, Nullable: true})
		changed[0].Indexes = []*schema.Index{{Name: "user_balance", Columns: changed[0].Columns[2:3]}}
		tags := &schema.Table{Name: "tags", Columns: []*schema.Column{{Name: "id", Type: field.TypeInt, Increment: true}}}
		tags.PrimaryKey = tags.Columns
		migrated(t, drv, append(changed, tags)...)
		got := &sql.Rows{}
		if err := drv.Query(ctx, "SELECT (tier IS NULL) + (SELECT count(*) FROM sqlite_schema WHERE name IN ('tags', 'user_balance')) FROM users", []any{}, got); err != nil {
			t.Fatal(err)
		}
		if n, err := sql.ScanInt(got); err != nil || n != 3 {
			t.Errorf("got %d, want 3, %v", n, err)
		}
		if err := got.Close(); err != nil {
			t.Error(err)
		}
	})
}

// ent's own migration turns foreign keys off first, for a connection that everybody shares here. That is refused before anything is changed.
func TestEntAutoMigration(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, drv *sql.Driver) {
		m, err := schema.NewMigrate(drv)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Create(t.Context(), tables()...); !errors.Is(err, engine.ErrForbidden) {
			t.Errorf("got %v", err)
		}
		var n int
		if err := drv.DB().QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&n); err != nil || n != 0 {
			t.Errorf("%d objects were made, %v", n, err)
		}
	})
}
