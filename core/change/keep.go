package change

import (
	"context"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/sdk/contract"
)

// kept holds the values that plug-ins keep. The row with the key "" is what a plug-in keeps in all, in bytes, so that nobody has to add it up.
const kept = "_tg_plugin_kv"

const (
	createKept = `CREATE TABLE IF NOT EXISTS ` + kept + ` (
  plugin TEXT NOT NULL,
  key    TEXT NOT NULL,
  value  ANY  NOT NULL,
  PRIMARY KEY (plugin, key)
) STRICT, WITHOUT ROWID`
	getKept     = `SELECT value FROM main.` + kept + ` WHERE plugin = ?1 AND key = ?2`
	sizeKept    = `SELECT coalesce((SELECT length(value) FROM main.` + kept + ` WHERE plugin = ?1 AND key = ?2), -1), coalesce((SELECT value FROM main.` + kept + ` WHERE plugin = ?1 AND key = ''), 0)`
	putKept     = `INSERT OR REPLACE INTO main.` + kept + ` (plugin, key, value) VALUES (?1, ?2, ?3)`
	dropKept    = `DELETE FROM main.` + kept + ` WHERE plugin = ?1 AND key = ?2`
	markCall    = "SAVEPOINT " + callMark
	releaseCall = "RELEASE " + callMark
	noSuchKept  = "no such table: main." + kept
)

// besideActive is added to the name of a version in shadow mode: what it keeps is its own, or it would change what the active one reads.
const besideActive = "/shadow"

var _ contract.Keeper = (*warden)(nil)

// keeping is what validators have kept in a transaction. A transaction that moves to a group of its own plays its statements again without asking
// anybody, so their values are written again from here.
type keeping struct {
	shadow bool      // who is asked is in shadow mode
	open   bool      // the savepoint of the call is open
	before int       // how long the log was when the call began
	at     int       // how many statements with rows were judged, or played again
	log    []putting // in order
}

// putting is one change of a value.
type putting struct {
	at          int // the statement
	plugin, key string
	value       []byte // nil: it was taken away
}

func (k *keeping) begin(from *keeping) {
	switch {
	case from == nil:
		*k = keeping{}
	case from != k:
		*k = keeping{log: from.log}
	}
	k.at = 0
}

// callMark is the savepoint of the values of one call: those of a call that failed go, whatever becomes of its rows.
const callMark = "_tg_kept"

// begun prepares for a call of a validator, and ended is its end.
func (k *keeping) begun(shadow bool) { k.shadow, k.open, k.before = shadow, false, len(k.log) }

func (w *warden) ended(failed bool) error {
	k := &w.kept
	k.shadow = false
	if !k.open {
		return nil
	}
	k.open = false
	if !failed {
		_, err := w.keeps(releaseCall)
		return err
	}
	k.log = k.log[:k.before]
	return w.conn.Exec("ROLLBACK TO " + callMark + "; RELEASE " + callMark)
}

func (w *warden) keeper(plugin string) string {
	if w.kept.shadow {
		return plugin + besideActive
	}
	return plugin
}

// Get implements contract.Keeper.
func (w *warden) Get(_ context.Context, plugin, key string) ([]byte, bool, error) {
	rows, err := w.keeps(getKept, w.keeper(plugin), key)
	if err != nil || len(rows) == 0 || key == "" {
		return nil, false, err
	}
	return append([]byte{}, rows[0][0].Bytes...), true, nil
}

// Put implements contract.Keeper.
func (w *warden) Put(_ context.Context, plugin, key string, value []byte, most int) (bool, error) {
	if key == "" {
		return false, nil
	}
	return w.keep(putting{w.kept.at, w.keeper(plugin), key, append([]byte{}, value...)}, most)
}

// Delete implements contract.Keeper.
func (w *warden) Delete(_ context.Context, plugin, key string) error {
	if key == "" {
		return nil
	}
	_, err := w.keep(putting{w.kept.at, w.keeper(plugin), key, nil}, 0)
	return err
}

// keep changes a value, and remembers that.
func (w *warden) keep(p putting, most int) (bool, error) {
	if !w.kept.open {
		if _, err := w.keeps(markCall); err != nil {
			return false, err
		}
		w.kept.open = true
	}
	ok, err := w.put(p, most)
	if ok {
		w.kept.log = append(w.kept.log, p)
	}
	return ok, err
}

// put changes a value. The transaction is that of the caller's rows, and so is the savepoint that undoes it.
func (w *warden) put(p putting, most int) (bool, error) {
	rows, err := w.keeps(sizeKept, p.plugin, p.key)
	if err != nil {
		return false, err
	}
	was, all := int64(-1), int64(0)
	if len(rows) > 0 {
		was, all = rows[0][0].Int, rows[0][1].Int
	}
	before := all
	if was >= 0 {
		all -= int64(contract.KeptSize(p.key, int(was)))
	}
	if p.value == nil {
		if was < 0 {
			return false, nil
		}
		if _, err := w.keeps(dropKept, p.plugin, p.key); err != nil {
			return false, err
		}
	} else {
		if all += int64(contract.KeptSize(p.key, len(p.value))); all > int64(most) {
			return false, nil
		}
		if _, err := w.keeps(putKept, p.plugin, p.key, p.value); err != nil {
			return false, err
		}
	}
	if all != before {
		_, err = w.keeps(putKept, p.plugin, "", all)
	}
	return err == nil, err
}

// keeps runs a statement on the table of values, which the first value makes.
func (w *warden) keeps(sql string, args ...any) ([][]sqlite.Value, error) {
	guard := w.conn.Guard()
	w.conn.SetGuard(sqlite.Guard{Trusted: true})
	defer w.conn.SetGuard(guard)
	before := w.conn.SetContext(nil) // a write that is interrupted undoes the group
	defer w.conn.SetContext(before)
	rows, err := w.read(sql, args...)
	if err == nil || !strings.Contains(err.Error(), noSuchKept) {
		return rows, err
	}
	if sql != putKept {
		return nil, nil
	}
	if _, err := w.read(createKept); err != nil {
		return nil, err
	}
	return w.read(sql, args...)
}

// playAgain writes what was kept when the statement was judged.
func (w *warden) playAgain() error {
	for _, p := range w.kept.log {
		if p.at != w.kept.at {
			continue
		}
		if _, err := w.put(p, maxKept); err != nil {
			return err
		}
	}
	return nil
}

// maxKept is more than any plug-in may keep: what was let in once is let in again.
const maxKept = 1 << 40
