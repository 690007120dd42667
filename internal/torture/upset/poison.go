package upset

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/torture"
	"github.com/tidegate/engine/internal/torture/pulse"
)

// Poison upsets the writer's connection again and again while others write.
func Poison() torture.Scenario {
	return torture.Scenario{Name: "poison", Promise: "P6", Run: poison,
		About: "a panic in a closure, one in an SQL function, a statement without memory, a statement too long, each inside of a group; others write again within a second"}
}

// dose is one way to upset a connection. Each writes a row with a negative number first, which must never be seen.
type dose struct {
	name string
	give func(context.Context, *engine.DB) error
	want func(error) bool
}

const (
	begun   = "INSERT INTO row VALUES (-1, NULL)"
	glut    = "INSERT INTO row WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 1000) SELECT -2, CAST(group_concat(hex(zeroblob(100000))) AS BLOB) FROM c"
	endless = "INSERT INTO row WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT -3, NULL FROM c WHERE x < 0"
)

func doses() []dose {
	statement := func(sql string) func(context.Context, *engine.DB) error {
		return func(ctx context.Context, db *engine.DB) error {
			return db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
				if _, err := tx.Exec(ctx, begun); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, sql)
				return err
			}, engine.WithName("poison"), engine.HoldFor(5*time.Second))
		}
	}
	memory := func(err error) bool { return errors.Is(err, engine.ErrOutOfMemory) || errors.Is(err, engine.ErrTooBig) }
	return []dose{
		{"panic_in_closure", func(ctx context.Context, db *engine.DB) (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("panic: %v", p)
				}
			}()
			return db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
				if _, err := tx.Exec(ctx, begun); err != nil {
					return err
				}
				panic("poison")
			})
		}, func(err error) bool { return err != nil && err.Error() == "panic: poison" }},
		{"panic_in_function", statement("INSERT INTO row VALUES (poison(), NULL)"), func(err error) bool { return err != nil }},
		{"no_memory", statement(glut), memory},
		{"no_end", statement(endless), func(err error) bool { return errors.Is(err, engine.ErrLeaseExpired) }},
	}
}

func poison(ctx context.Context, e *torture.Env) (result torture.Result, err error) {
	cfg := engine.DefaultConfig(filepath.Join(e.Dir, "poison.db"))
	cfg.Logger = quiet()
	cfg.Writer.StatementTime = 600 * time.Millisecond
	cfg.Extend.Functions = []engine.Function{{Name: "poison", Args: 0, Scalar: func([]engine.Value) (any, error) { panic("poison") }}}
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.Exec(ctx, createRows); err != nil {
		return result, err
	}
	c := gather(ctx, db, 8, 2)
	defer c.leave()
	machine := pulse.New()
	defer machine.Close()
	for _, d := range doses() {
		var worst, calm time.Duration
		for range torture.Pick(e.Scale, 3, 100) {
			c.worst()
			enough := c.acked() + 50
			if err := until(ctx, "the others to write", func() bool { return c.acked() >= enough }); err != nil {
				return result, fmt.Errorf("%s: %w", d.name, err)
			}
			calm = max(calm, c.worst())
			from := time.Now()
			// A statement that the machine stopped us in may be over its time before it does what it is to do.
			if err := d.give(ctx, db); !d.want(err) && !(errors.Is(err, engine.ErrLeaseExpired) && machine.Noise(from, time.Now()) > cfg.Writer.StatementTime/4) {
				return result, fmt.Errorf("%s ended with %w", d.name, err)
			}
			after := c.acked() + 1
			if err := until(ctx, "the others to write again", func() bool { return c.acked() >= after }); err != nil {
				return result, fmt.Errorf("%s: %w", d.name, err)
			}
			worst = max(worst, c.worst()-machine.Noise(from, time.Now()))
			result.Cases++
		}
		result.Add(d.name+"_longest_wait", worst.Seconds()*1000, "ms")
		e.Log("%s: the others waited %v at most, %v without it", d.name, worst.Round(time.Millisecond), calm.Round(time.Millisecond))
		if worst > limit+calm {
			return result, fmt.Errorf("%s: nobody else's write was acknowledged for %v", d.name, worst)
		}
	}
	c.leave()
	found, err := present(ctx, db)
	if err != nil {
		return result, err
	}
	for n := range found {
		if n < 0 {
			return result, fmt.Errorf("row %d of an upset transaction was committed", n)
		}
	}
	for _, k := range c.notes {
		if !found[k.n] {
			return result, fmt.Errorf("row %d was acknowledged and is lost", k.n)
		}
	}
	result.Count("acknowledged", len(c.notes))
	result.Count("connections_lost", db.Stats().Leaked)
	return result, torture.Intact(ctx, db)
}
