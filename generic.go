package engine

import (
	"context"
	"database/sql"
	"iter"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/tidegate/engine/core/sqlite"
)

// Source is what [Get], [All] and [Each] read from: a *[DB], a *[Tx], or a statement made ready by [DB.Prepare] (*[Stmt], or [TxStmt]
// inside a transaction), which brings its own SQL and takes "" for it.
type Source interface {
	query(ctx context.Context, rows *Rows, sql string, args []any) error
}

// Get runs one statement and returns its first row as a T: a variable of any kind that [Rows.Scan] fills from one column (numbers,
// string, []byte, bool, [time.Time], any, a [sql.Scanner] such as [Decimal], a pointer to one of these for what may be NULL), or a
// struct, or a pointer to a struct, whose fields take the columns by name.
//
//	n, err := engine.Get[int64](ctx, db, "SELECT count(*) FROM orders")
//	o, err := engine.Get[Order](ctx, tx, "SELECT id, symbol, qty FROM orders WHERE id = ?", id)
//
// An [Option] among the arguments is an option of the call, for a *DB and a *Stmt.
//
// # Errors
//
// [ErrNoRows] when there is no row, [ErrArgs] when a column does not fit, and those of [DB.Query].
func Get[T any](ctx context.Context, q Source, sql string, args ...any) (T, error) {
	var none T
	one := new(struct { // one allocation instead of two
		rows  Rows
		value T
	})
	if err := q.query(ctx, &one.rows, sql, args); err != nil {
		return none, err
	}
	defer one.rows.Close()
	if !one.rows.Next() {
		if err := one.rows.Err(); err != nil {
			return none, err
		}
		return none, ErrNoRows
	}
	var f filler[T]
	if err := f.fill(&one.value, one.rows.cur.Columns(), one.rows.cur.Row(), &one.rows.db.plans); err != nil {
		return none, err
	}
	if err := one.rows.Close(); err != nil {
		return none, err
	}
	return one.value, nil
}

// All runs one statement and returns all its rows, each as a T (see [Get]). The slice is empty, not nil, when there are none. Results
// that may be large are better read one by one, with [Each].
//
// # Errors
//
// As for [Get], but no rows are no error. After an error no rows are returned.
func All[T any](ctx context.Context, q Source, sql string, args ...any) ([]T, error) {
	var rows Rows
	if err := q.query(ctx, &rows, sql, args); err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []T{}
	var f filler[T]
	for rows.Next() {
		out = append(out, *new(T))
		if err := f.fill(&out[len(out)-1], rows.cur.Columns(), rows.cur.Row(), &rows.db.plans); err != nil {
			return nil, err
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return out, nil
}

// Each runs one statement when it is ranged over, and yields its rows, each as a T (see [Get]). Leaving the loop ends the query. An
// error comes last, with the zero T.
//
//	for order, err := range engine.Each[Order](ctx, db, "SELECT id, symbol, qty FROM orders") {
//		if err != nil { return err }
//		…
//	}
func Each[T any](ctx context.Context, q Source, sql string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none, value T
		var rows Rows
		if err := q.query(ctx, &rows, sql, args); err != nil {
			yield(none, err)
			return
		}
		defer rows.Close()
		var f filler[T]
		for rows.Next() {
			value = none // what a column of NULL or a new record leaves must not be the row before
			if err := f.fill(&value, rows.cur.Columns(), rows.cur.Row(), &rows.db.plans); err != nil {
				yield(none, err)
				return
			}
			if !yield(value, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(none, err)
		}
	}
}

// Collect returns the rows that a batch has kept, each as a T (see [Get]).
//
// # Errors
//
// [ErrArgs] when a column does not fit.
func Collect[T any](k *KeptRows) ([]T, error) {
	out := make([]T, k.count)
	var f filler[T]
	for i := range out {
		if err := f.fill(&out[i], k.columns, k.row(i), nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// filler fills variables of type T from the rows of one query.
type filler[T any] struct {
	known   bool
	pointer bool         // T is a pointer to a record
	record  reflect.Type // nil: T takes one column
	plan    *structPlan
}

// fill copies a row into v. plans, where not nil, remembers what was found out about T.
func (f *filler[T]) fill(v *T, columns []string, row []sqlite.Value, plans *planCache) error {
	if !f.known {
		if err := f.learn(v, columns, plans); err != nil {
			return err
		}
	}
	if f.record == nil {
		if len(row) != 1 {
			return argErrorf("Scan: the row has %d columns (%s), %s takes one: select one, or use a struct", len(row), strings.Join(columns, ", "),
				reflect.TypeFor[T]())
		}
		if why := assign(v, &row[0]); why != "" {
			return argErrorf("Scan: column 1 (%s): %s", columns[0], why)
		}
		return nil
	}
	to := reflect.ValueOf(v).Elem()
	if f.pointer {
		to.Set(reflect.New(f.record))
		to = to.Elem()
	}
	for i := range row {
		field := to.FieldByIndex(f.plan.fields[i])
		if why := assign(field.Addr().Interface(), &row[i]); why != "" {
			return argErrorf("Scan: column %d (%s) into %s: %s", i+1, columns[i], f.record, why)
		}
	}
	return nil
}

func (f *filler[T]) learn(v *T, columns []string, plans *planCache) (err error) {
	f.known = true
	t := reflect.TypeFor[T]()
	switch {
	case isScanner(v):
		return nil
	case isRecord(t):
		f.record = t
	case t.Kind() == reflect.Pointer && isRecord(t.Elem()) && !t.Implements(scannerType):
		f.record, f.pointer = t.Elem(), true
	default:
		return nil
	}
	if plans == nil {
		f.plan, err = planFor(f.record, columns)
		return err
	}
	f.plan, err = plans.get(f.record, columns)
	return err
}

var scannerType = reflect.TypeFor[sql.Scanner]()

// planCache remembers how columns fill structs: to find that out costs more than to read a row.
type planCache struct {
	mu sync.RWMutex
	m  map[reflect.Type][]shape
}

// shape is a list of columns and how they fill a type.
type shape struct {
	columns []string
	plan    *structPlan
}

// maxShapes bounds the plans of one type; programs that build their lists of columns would make ever more.
const maxShapes = 16

func (c *planCache) get(t reflect.Type, columns []string) (*structPlan, error) {
	c.mu.RLock()
	known := c.m[t]
	c.mu.RUnlock()
	for i := range known {
		if slices.Equal(known[i].columns, columns) {
			return known[i].plan, nil
		}
	}
	plan, err := planFor(t, columns)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = map[reflect.Type][]shape{}
	}
	known = c.m[t]
	if len(known) >= maxShapes {
		known = nil
	}
	c.m[t] = append(known[:len(known):len(known)], shape{slices.Clone(columns), plan}) // a copy: others are reading the old one
	return plan, nil
}
