package change_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine/core/change"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// counting keeps how many rows it was asked about, under one key, and rejects a negative quantity.
type counting struct {
	name string
	most int
	fail func(n int64) error // after it has kept the number
}

func (c *counting) Identity() contract.Identity { return contract.Identity{Name: c.name, Version: "1"} }

func (c *counting) Validate(ctx context.Context, b *abi.Batch, _ time.Time) (out contract.Outcome, err error) {
	raw, err := b.Append(nil)
	if err != nil {
		return out, err
	}
	rows, err := abi.Decode(raw)
	if err != nil {
		return out, err
	}
	k := contract.KeeperFrom(ctx)
	was, _, err := k.Get(ctx, c.name, "rows")
	if err != nil {
		return out, err
	}
	n, _ := strconv.ParseInt(string(was), 10, 64)
	n += int64(rows.Len())
	if ok, err := k.Put(ctx, c.name, "rows", []byte(strconv.FormatInt(n, 10)), c.most); err != nil || !ok {
		return out, fmt.Errorf("%v, %w", ok, err)
	}
	for i := range rows.Len() {
		if rows.Cell(i, abi.New, 1).Int() < 0 {
			out.Verdicts = append(out.Verdicts, abi.Record{Row: uint32(i), Code: 1, Col: 1, Action: abi.Reject, Message: "negative"})
		}
	}
	if c.fail != nil {
		return contract.Outcome{}, c.fail(n)
	}
	return out, nil
}

const keptRows = "SELECT plugin, CAST(value AS TEXT) FROM _tg_plugin_kv WHERE key = 'rows' ORDER BY plugin"

// TestKeptWithTheTransaction: what a rule keeps is committed with the rows that it was asked about, and goes with them.
func TestKeptWithTheTransaction(t *testing.T) {
	t.Parallel()
	src := &set{}
	src.change(watch(&counting{name: "c", most: 1000}, "trades", "id", "qty"))
	r := build(t, change.Config{Source: src}, trades, "CREATE TABLE other (x)")
	update := func(undo error, sql ...string) error {
		_, err := r.Update(t.Context(), lane.JobOptions{}, func(tx *lane.Tx) error {
			for _, q := range sql {
				if _, err := tx.Exec(t.Context(), q, nil); err != nil {
					return err
				}
			}
			return undo
		})
		return err
	}
	for _, c := range []struct {
		undo error
		sql  []string
		want string
		kind error
	}{
		{nil, []string{"INSERT INTO other VALUES (1)"}, "", nil},
		{nil, []string{"INSERT INTO trades (id, qty) VALUES (1, 1), (2, 1)"}, "c,2", nil},
		{nil, []string{"INSERT INTO trades (id, qty) VALUES (3, 1)", "INSERT INTO trades (id, qty) VALUES (4, 1)"}, "c,4", nil},
		{errors.New("changed my mind"), []string{"INSERT INTO trades (id, qty) VALUES (5, 1)"}, "c,4", nil},
		{nil, []string{"INSERT INTO trades (id, qty) VALUES (5, 1)", "INSERT INTO trades (id, qty) VALUES (6, -1)"}, "c,4", change.ErrRejected},
		{nil, []string{"SAVEPOINT a", "INSERT INTO trades (id, qty) VALUES (7, 1)", "ROLLBACK TO a", "INSERT INTO trades (id, qty) VALUES (8, 1)"}, "c,5", nil},
	} {
		err := update(c.undo, c.sql...)
		switch want := orElse(c.kind, c.undo); {
		case want == nil && err != nil, want != nil && !errors.Is(err, want):
			t.Errorf("%v: %v", c.sql, err)
		}
		if c.want == "" {
			if _, err := r.Query(t.Context(), lane.ReadOptions{}, keptRows, nil); err == nil {
				t.Error("there is a table of values before the first value")
			}
			continue
		}
		if got := r.all(t, keptRows); got != c.want {
			t.Errorf("%v: kept %s, want %s", c.sql, got, c.want)
		}
	}
}

func orElse(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// TestKeptAfterIsolation: a transaction that moves to a group of its own plays its statements again, whose rules are not asked again: what they kept is
// there all the same, once.
func TestKeptAfterIsolation(t *testing.T) {
	t.Parallel()
	src := &set{}
	src.change(watch(&counting{name: "c", most: 1000}, "trades", "id", "qty"))
	r := build(t, change.Config{Source: src}, trades)
	const callers, each = 8, 30
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				_, err := r.Update(t.Context(), lane.JobOptions{}, func(tx *lane.Tx) error {
					for k := range 3 {
						sql := "INSERT INTO trades (id, qty) VALUES (?, 1)"
						if k == 2 && c%2 == 0 {
							sql = "INSERT OR ROLLBACK INTO trades (id, qty) VALUES (?, 1)"
						}
						if _, err := tx.Exec(t.Context(), sql, []any{int64(c*1000 + i*3 + k)}); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Errorf("caller %d: %v", c, err)
				}
			}
		})
	}
	wg.Wait()
	if st := r.Stats().Writer; st.Isolated == 0 {
		t.Error("no transaction was moved to a group of its own: the test shows nothing")
	}
	if got, want := r.all(t, keptRows), fmt.Sprintf("c,%d", callers*each*3); got != want {
		t.Errorf("kept %s, want %s", got, want)
	}
	if got := r.all(t, "SELECT value FROM _tg_plugin_kv WHERE key = ''"); got != fmt.Sprint(contract.KeptSize("rows", 3)) {
		t.Errorf("%s bytes are counted", got)
	}
}

// TestKeptBesideAndBehind: a rule in shadow mode keeps its own values, and the values of a call that failed go though its rows pass.
func TestKeptBesideAndBehind(t *testing.T) {
	t.Parallel()
	src := &set{}
	shadow := watch(&counting{name: "c", most: 1000}, "trades", "id", "qty")
	shadow.Shadow = true
	frail := watch(&counting{name: "frail", most: 1000, fail: func(n int64) error {
		if n == 3 {
			return contract.ErrFault
		}
		return nil
	}}, "trades", "id", "qty")
	frail.Allow = true
	src.change(watch(&counting{name: "c", most: 1000}, "trades", "id", "qty"))
	r := build(t, change.Config{Source: src}, trades)
	must(t, r.do(t, "INSERT INTO trades (id, qty) VALUES (1, 1), (2, 1)"))
	src.change(watch(&counting{name: "c", most: 1000}, "trades", "id", "qty"), shadow, frail)
	for id := 3; id < 7; id++ {
		must(t, r.do(t, "INSERT INTO trades (id, qty) VALUES (?, 1)", int64(id)))
	}
	if got := r.all(t, keptRows); got != "c,6 c/shadow,4 frail,2" {
		t.Errorf("kept %s", got)
	}
}

// quota keeps and takes away what a test says.
type quota struct {
	does func(ctx context.Context, k contract.Keeper) error
}

func (*quota) Identity() contract.Identity { return contract.Identity{Name: "q", Version: "1"} }

func (q *quota) Validate(ctx context.Context, _ *abi.Batch, _ time.Time) (contract.Outcome, error) {
	return contract.Outcome{}, q.does(ctx, contract.KeeperFrom(ctx))
}

// TestQuotaOfKept: a plug-in keeps no more than it may, counts what it takes away, and has no key "".
func TestQuotaOfKept(t *testing.T) {
	t.Parallel()
	const most = 1000
	q := &quota{}
	src := &set{}
	src.change(watch(q, "trades", "id", "qty"))
	r := build(t, change.Config{Source: src}, trades)
	id := int64(0)
	in := func(name string, does func(ctx context.Context, k contract.Keeper) error) {
		id++
		q.does = does
		if err := r.do(t, "INSERT INTO trades (id, qty) VALUES (?, 1)", id); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	put := func(key string, size int, want bool) func(context.Context, contract.Keeper) error {
		return func(ctx context.Context, k contract.Keeper) error {
			ok, err := k.Put(ctx, "q", key, []byte(strings.Repeat("x", size)), most)
			if err == nil && ok != want {
				err = fmt.Errorf("a value of %d bytes for %q: %v", size, key, ok)
			}
			return err
		}
	}
	room := most - contract.KeptSize("a", 0)
	in("too large", put("a", room+1, false))
	in("just so", put("a", room, true))
	in("no room left", put("b", 0, false))
	in("smaller in its place", put("a", room-contract.KeptSize("b", 10), true))
	in("and there is room", put("b", 10, true))
	in("no key", put("", 1, false))
	in("gone", func(ctx context.Context, k contract.Keeper) error {
		if v, ok, err := k.Get(ctx, "q", ""); ok || v != nil {
			return fmt.Errorf("the key of the total can be read: %w", err)
		}
		return errors.Join(k.Delete(ctx, "q", "a"), k.Delete(ctx, "q", "a"), k.Delete(ctx, "q", "no such key"), k.Delete(ctx, "q", ""))
	})
	in("as much as before", put("a", room-contract.KeptSize("b", 10), true))
	if got := r.all(t, "SELECT value FROM _tg_plugin_kv WHERE key = ''"); got != fmt.Sprint(most) {
		t.Errorf("%s bytes are counted, want %d", got, most)
	}
}
