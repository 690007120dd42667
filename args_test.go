package engine_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

type price struct{ units int64 }

func (p price) Value() (driver.Value, error) { return p.units, nil }

// optional has its method on the pointer, as many types of ORMs do.
type optional struct{ s string }

func (o *optional) Value() (driver.Value, error) { return o.s, nil }

type failing struct{}

func (failing) Value() (driver.Value, error) { return nil, errors.New("refused: " + secret) }

type endless struct{}

func (endless) Value() (driver.Value, error) { return endless{}, nil }

type unbindable struct{}

func (unbindable) Value() (driver.Value, error) { return struct{}{}, nil }

type loop *loop

func TestArguments(t *testing.T) {
	t.Parallel()
	db := openAt(t, "sqlite://")
	at := time.Date(2024, 5, 1, 12, 0, 0, 5, time.FixedZone("", 3600))
	for _, c := range []struct {
		arg  any
		kind string // typeof() and quote()
		want string
	}{
		{nil, "null", "NULL"}, {true, "integer", "1"}, {false, "integer", "0"},
		{int8(-8), "integer", "-8"}, {int16(16), "integer", "16"}, {int32(32), "integer", "32"}, {int64(math.MinInt64), "integer", "-9223372036854775808"}, {7, "integer", "7"},
		{uint8(8), "integer", "8"}, {uint16(16), "integer", "16"}, {uint32(math.MaxUint32), "integer", "4294967295"}, {uint(9), "integer", "9"}, {uint64(math.MaxInt64), "integer", "9223372036854775807"},
		{1.5, "real", "1.5"}, {float32(0.5), "real", "0.5"}, {math.Inf(1), "real", "9.0e+999"},
		{"it's", "text", "'it''s'"}, {"", "text", "''"}, {[]byte{1, 2}, "blob", "X'0102'"}, {[]byte{}, "blob", "X''"}, {[]byte(nil), "null", "NULL"},
		{at, "text", "'2024-05-01T11:00:00.000000005Z'"}, {&at, "text", "'2024-05-01T11:00:00.000000005Z'"}, {(*time.Time)(nil), "null", "NULL"},
		{myInt(5), "integer", "5"}, {myText("m"), "text", "'m'"}, {myBytes{9}, "blob", "X'09'"}, {myBytes(nil), "null", "NULL"}, {myFloat(2.5), "real", "2.5"}, {myBool(true), "integer", "1"},
		{ptr(3), "integer", "3"}, {(*int)(nil), "null", "NULL"}, {ptr(ptr("x")), "text", "'x'"}, {ptr([]byte("b")), "blob", "X'62'"},
		{price{250}, "integer", "250"}, {&price{250}, "integer", "250"}, {(*price)(nil), "null", "NULL"},
		{&optional{"o"}, "text", "'o'"}, {(*optional)(nil), "null", "NULL"},
		{sql.NullString{}, "null", "NULL"}, {sql.NullInt64{Int64: 4, Valid: true}, "integer", "4"}, {sql.Null[string]{V: "v", Valid: true}, "text", "'v'"},
		{sql.Named("p", 6), "integer", "6"}, {sql.Named(":p", ptr("n")), "text", "'n'"},
	} {
		var kind, quoted string
		query := "SELECT typeof(?1), quote(?1)"
		if _, named := c.arg.(sql.NamedArg); named {
			query = "SELECT typeof(:p), quote(:p)"
		}
		if err := db.QueryRow(t.Context(), query, c.arg).Scan(&kind, &quoted); err != nil {
			t.Errorf("%T: %v", c.arg, err)
			continue
		}
		if kind != c.kind || quoted != c.want {
			t.Errorf("%T %v is stored as %s %s, want %s %s", c.arg, c.arg, kind, quoted, c.kind, c.want)
		}
	}
}

func TestArgumentsRefused(t *testing.T) {
	t.Parallel()
	db := openAt(t, "sqlite://")
	var self loop
	self = &self
	for name, c := range map[string]struct {
		args []any
		says string
	}{
		"struct":                  {[]any{1, struct{}{}}, "argument 2"},
		"function":                {[]any{func() {}, 1}, "argument 1"},
		"channel":                 {[]any{1, make(chan int)}, "argument 2"},
		"map":                     {[]any{map[string]int{}, 1}, "argument 1"},
		"list":                    {[]any{1, []int{1}}, "argument 2"},
		"array":                   {[]any{1, [2]byte{}}, "argument 2"},
		"unsigned too large":      {[]any{1, uint64(math.MaxUint64)}, "argument 2"},
		"unsigned behind pointer": {[]any{1, ptr(uint64(math.MaxUint64))}, "argument 2"},
		"NaN":                     {[]any{1, math.NaN()}, "argument 2"},
		"failing Valuer":          {[]any{1, failing{}}, "argument 2"},
		"endless Valuer":          {[]any{1, endless{}}, "argument 2"},
		"Valuer of a struct":      {[]any{1, unbindable{}}, "argument 2"},
		"pointer to itself":       {[]any{1, self}, "argument 2"},
		"named struct":            {[]any{sql.Named("a", struct{}{}), 1}, `"a"`},
		"named too large":         {[]any{sql.Named("a", uint64(math.MaxUint64)), 1}, "2^63"},
		"named in named":          {[]any{sql.Named("a", sql.Named("b", 1)), 1}, `"a"`},
		"class that is none":      {[]any{1, 2, engine.WithClass(99)}, "class 99"},
		"durability that is none": {[]any{1, 2, engine.WithDurability(9)}, "durability 9"},
		"negative hold":           {[]any{1, 2, engine.HoldFor(-time.Second)}, "-1s"},
	} {
		t.Run(name, func(t *testing.T) {
			for how, err := range everyWay(t, db, "SELECT :a, ?", c.args) {
				if how == "Tx.Exec" || how == "Tx.Query" {
					if len(c.args) > 2 {
						continue // no options there
					}
				}
				wantOnly(t, err, engine.ErrArgs)
				wantText(t, err, c.says)
				wantNoSecret(t, err, secret)
			}
		})
	}
	for _, o := range []engine.Option{engine.WithClass(99), engine.WithDurability(9), engine.HoldFor(-1)} {
		none := func(context.Context, *engine.Tx) error { t.Error("the closure ran"); return nil }
		wantOnly(t, db.Update(t.Context(), none, o), engine.ErrArgs)
		wantOnly(t, db.View(t.Context(), none, o), engine.ErrArgs)
	}
	err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		_, err := tx.Exec(ctx, "SELECT ?", engine.WithName("x"))
		return err
	})
	wantOnly(t, err, engine.ErrArgs) // the transaction's options are given to Update
	if _, err := db.Exec(t.Context(), "SELECT ?", engine.Option(nil), 1, engine.WithName("x")); err != nil {
		t.Errorf("options in any place, nil among them: %v", err)
	}
}

// TestArgumentsAreCopied changes a buffer while the statement waits for the writer.
func TestArgumentsAreCopied(t *testing.T) {
	t.Parallel()
	db := openAt(t, "sqlite://")
	exec(t, db, "CREATE TABLE t (b BLOB)")
	buf := []byte("before")
	held, done := make(chan struct{}), make(chan error, 1)
	err := db.Update(t.Context(), func(context.Context, *engine.Tx) error {
		go func() {
			close(held)
			_, err := db.Exec(t.Context(), "INSERT INTO t VALUES (?)", buf)
			done <- err
		}()
		<-held
		eventually(t, "the statement in the queue", func() bool { return db.Stats().Writer.Waiting > 0 })
		copy(buf, "after!")
		return nil
	})
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := db.QueryRow(t.Context(), "SELECT b FROM t").Scan(&got); err != nil || got != "before" {
		t.Errorf("stored %q, %v; want what the buffer held at the call", got, err)
	}
}
