package sqldb

import "github.com/tidegate/engine/core/lane"

// result implements [driver.Result].
type result struct {
	done lane.Result
	text *text
}

// add takes in the next statement of a script: rows add up, and the row id is that of the last INSERT.
func (r *result) add(done lane.Result, t *text) {
	r.done.RowsAffected += done.RowsAffected
	if insert, _ := t.inserts(); insert {
		r.done.LastInsertID, r.text = done.LastInsertID, t
	}
}

// RowsAffected implements [driver.Result].
func (r result) RowsAffected() (int64, error) { return r.done.RowsAffected, nil }

// LastInsertId implements [driver.Result]. The writer is shared, and what it inserted last may be somebody else's: the id is given only
// where the statement itself has inserted a row, 0 where it has not, and an error where that cannot be told.
func (r result) LastInsertId() (int64, error) {
	insert, upsert := r.text.inserts()
	switch {
	case !insert || r.done.RowsAffected == 0:
		return 0, nil
	case upsert:
		return 0, refused("LastInsertId of an INSERT that may update instead (ON CONFLICT … DO UPDATE) is refused, because it is unknown " +
			"which of both it did; use a RETURNING clause")
	}
	return r.done.LastInsertID, nil
}
