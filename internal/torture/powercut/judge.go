package powercut

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tidegate/engine/core/sqlite/plain"
)

// found is what SQLite alone finds after a power cut.
type found struct {
	corrupt error  // the file cannot be read, or its structure is broken
	partial string // a part of a transaction
	moves   [callers]int
	total   int
}

// ledger reads the bank in one statement. gap is what makes the numbers of moves not run from 1 without a hole; off counts accounts whose
// balance is not what the moves say.
const ledger = `SELECT json_object(
 'accounts', (SELECT count(*) FROM accounts),
 'sum', (SELECT sum(balance) FROM accounts),
 'off', (SELECT count(*) FROM accounts a WHERE balance <> 1000 + coalesce((SELECT sum(amount) FROM moves WHERE dst = a.id), 0) - coalesce((SELECT sum(amount) FROM moves WHERE src = a.id), 0)),
 'gap', (SELECT coalesce(max(id), 0) - count(*) FROM moves),
 'holes', (SELECT count(*) FROM (SELECT count(*) AS c, max(n) AS m FROM moves GROUP BY who) WHERE c <> m),
 'moves', json((SELECT json_group_object(who, c) FROM (SELECT who, count(*) AS c FROM moves GROUP BY who))))`

type books struct {
	Accounts, Sum, Off, Gap, Holes int
	Moves                          map[string]int
}

// judge writes the image to dir and reads it with SQLite's own file layer.
func judge(dir string, image map[string][]byte) (f found) {
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return found{corrupt: err}
	}
	for name, data := range image {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return found{corrupt: err}
		}
	}
	if _, ok := image[fileName]; !ok {
		if _, log := image[fileName+"-wal"]; log {
			f.partial = "the log is there and the database is not"
		}
		return f
	}
	db, err := plain.Open(filepath.Join(dir, fileName))
	if err != nil {
		return found{corrupt: err}
	}
	defer db.Close()
	return read(db)
}

func read(db *plain.DB) (f found) {
	if text, err := db.Text("PRAGMA integrity_check"); err != nil || text != "ok" {
		return found{corrupt: fmt.Errorf("integrity check: %s %w", text, err)}
	}
	tables, err := db.Text("SELECT count(*) FROM sqlite_schema WHERE name IN ('accounts', 'moves', 'moves_by_src')")
	switch {
	case err != nil:
		return found{corrupt: err}
	case tables == "0":
		return found{}
	case tables != "3":
		return found{partial: tables + " of 3 objects of the schema"}
	}
	text, err := db.Text(ledger)
	if err != nil {
		return found{corrupt: err}
	}
	var b books
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		return found{corrupt: err}
	}
	if b.Accounts != accounts || b.Sum != accounts*opening || b.Off != 0 || b.Gap != 0 || b.Holes != 0 {
		f.partial = text
	}
	for who := range callers {
		f.moves[who] = b.Moves[fmt.Sprint(who)]
		f.total += f.moves[who]
	}
	return f
}
