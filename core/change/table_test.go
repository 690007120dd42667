package change_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/change"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/sdk/contract"
)

// TestViewsHaveNoRows: no hook shows the rows of a view, so a rule that watches one would be asked about nothing. Who writes to it is told instead, also by a statement that was
// compiled before the rule came, and the tables below it are as they are.
func TestViewsHaveNoRows(t *testing.T) {
	t.Parallel()
	src := &set{}
	src.change(watch(positive(), "other", "id"))
	r := build(t, change.Config{Source: src}, trades, "CREATE TABLE other (id INTEGER PRIMARY KEY)", "CREATE VIEW book AS SELECT id, qty FROM trades",
		"CREATE TRIGGER book_in INSTEAD OF INSERT ON book BEGIN INSERT INTO trades (id, qty) VALUES (new.id, new.qty); END",
		"CREATE TRIGGER book_up INSTEAD OF UPDATE ON book BEGIN UPDATE trades SET qty = new.qty WHERE id = new.id; END",
		"CREATE TRIGGER book_out INSTEAD OF DELETE ON book BEGIN DELETE FROM trades WHERE id = old.id; END")
	writes := []string{"INSERT INTO book VALUES (?, -1)", "UPDATE book SET qty = -id WHERE id = ?", "DELETE FROM book WHERE id = ?"}
	for _, sql := range writes {
		must(t, r.do(t, sql, 1)) // compiled while a rule watches another table
	}
	src.change(watch(positive(), "Book", "id", "qty"))
	for _, sql := range writes {
		if err := r.do(t, sql, 2); err == nil || !strings.Contains(err.Error(), "view book, which no hook shows to limits") || !strings.Contains(err.Error(), "watch the tables below it") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	must(t, r.do(t, "INSERT INTO trades (id, qty) VALUES (7, -7)")) // nobody watches it
	shadow := watch(positive(), "book", "id", "qty")
	shadow.Shadow = true
	src.change(shadow)
	must(t, r.do(t, writes[0], 3))
	// One that is made while a rule waits for a table of its name.
	src.change(watch(positive(), "late", "id", "qty"))
	_, err := r.Update(t.Context(), lane.JobOptions{}, func(tx *lane.Tx) error {
		for _, sql := range []string{"CREATE VIEW late AS SELECT id, qty FROM trades", "CREATE TRIGGER late_in INSTEAD OF INSERT ON late BEGIN INSERT INTO trades (id, qty) VALUES (new.id, new.qty); END", "INSERT INTO late VALUES (9, 9)"} {
			if _, err := tx.Exec(t.Context(), sql, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "view late, which no hook shows") {
		t.Errorf("a view of the transaction itself: %v", err)
	}
	if got := r.all(t, "SELECT id FROM trades ORDER BY id"); got != "3 7" {
		t.Errorf("trades %s", got)
	}
}

// TestMisfitThatRefusesNothing: a version that is only tried, and a rule whose failure lets rows pass, keep nobody from writing where they do not fit the table: it is told as their failure, and the
// rules beside them judge on.
func TestMisfitThatRefusesNothing(t *testing.T) {
	t.Parallel()
	for name, lenient := range map[string]func(*contract.Rule){
		"shadow": func(r *contract.Rule) { r.Shadow = true },
		"allow":  func(r *contract.Rule) { r.Allow = true },
	} {
		src := &set{}
		tried := watch(&rule{name: "tried"}, "trades", "id", "no_such")
		lenient(&tried)
		src.change(tried, watch(positive(), "trades", "id", "qty", "note"))
		r := build(t, change.Config{Source: src}, trades)
		if err := r.do(t, "INSERT INTO trades (id, qty) VALUES (1, 1)"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if ev := r.happened(); len(ev) != 1 || ev[0].Kind != change.Allowed || ev[0].Verdict.Plugin != "tried" || ev[0].Err == nil || !strings.Contains(ev[0].Err.Error(), "no_such") {
			t.Errorf("%s: %+v", name, ev)
		}
		if err := r.do(t, "INSERT INTO trades (id, qty) VALUES (2, 0)"); !errors.Is(err, change.ErrRejected) {
			t.Errorf("%s, a bad row: %v", name, err)
		}
		src.change(watch(positive(), "trades", "id", "no_such"), tried)
		if err := r.do(t, "INSERT INTO trades (id, qty) VALUES (2, 1)"); !errors.Is(err, change.ErrFault) || !strings.Contains(err.Error(), "limits") {
			t.Errorf("%s, beside one in service that does not fit: %v", name, err)
		}
	}
}
