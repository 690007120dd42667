package change

import (
	"context"
	"slices"
	"strings"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

const (
	listKept     = `SELECT plugin, count(*) - 1, max(CASE WHEN key = '' THEN value END) FROM ` + kept + ` GROUP BY plugin ORDER BY plugin`
	valuesKept   = `SELECT plugin, key, value FROM ` + kept + ` WHERE plugin IN (?1, ?2) AND key <> '' ORDER BY plugin, key LIMIT ?3`
	forgetKept   = `DELETE FROM ` + kept + ` WHERE plugin IN (?1, ?2) AND key <> ''`
	forgetSums   = `DELETE FROM ` + kept + ` WHERE plugin IN (?1, ?2)`
	forgetReason = "values of a plug-in"
)

// Kept is what a plug-in keeps in the database, whether it is in service or not.
type Kept struct {
	// Plugin is its name. Shadow is true for what a version in shadow mode keeps, beside the values of the active one.
	Plugin string
	Shadow bool
	// Values is how many there are, and Bytes what they count towards the plug-in's limit.
	Values, Bytes int64
}

// KeptValue is one of them.
type KeptValue struct {
	Shadow bool
	Key    string
	Value  []byte
}

// named takes a stored name apart.
func named(stored string) (plugin string, shadow bool) {
	return strings.CutSuffix(stored, besideActive)
}

// AllKept lists what every plug-in keeps, by name.
func AllKept(ctx context.Context, lanes *lane.Lanes) ([]Kept, error) {
	var out []Kept
	err := ownRows(ctx, lanes, forgetReason, listKept, nil, func(row []sqlite.Value) {
		k := Kept{Values: row[1].Int, Bytes: row[2].Int}
		k.Plugin, k.Shadow = named(string(row[0].Bytes))
		out = append(out, k)
	})
	return out, err
}

// KeptBy lists up to most values of a plug-in, by key.
func KeptBy(ctx context.Context, lanes *lane.Lanes, plugin string, most int) ([]KeptValue, error) {
	var out []KeptValue
	err := ownRows(ctx, lanes, forgetReason, valuesKept, []any{plugin, plugin + besideActive, int64(most)}, func(row []sqlite.Value) {
		v := KeptValue{Key: string(row[1].Bytes), Value: append([]byte{}, row[2].Bytes...)}
		_, v.Shadow = named(string(row[0].Bytes))
		out = append(out, v)
	})
	return out, err
}

// Forget removes what a plug-in keeps, with shadow alone what its version in shadow mode does, and says how many values those were. It is no error where there are none.
func Forget(ctx context.Context, lanes *lane.Lanes, plugin string, shadow bool) (n int64, err error) {
	all, err := AllKept(ctx, lanes)
	if err != nil {
		return 0, err
	}
	names := []any{plugin, plugin + besideActive}
	if shadow {
		names[0] = names[1]
	}
	if !slices.ContainsFunc(all, func(k Kept) bool { return k.Plugin == plugin && (k.Shadow || !shadow) }) {
		return 0, nil
	}
	_, err = lanes.Do(ctx, lane.JobOptions{Class: lane.Maintenance, Name: forgetReason, Own: true}, func(tx *lane.Tx) error {
		done, err := tx.ExecOwn(ctx, forgetKept, names)
		if err != nil {
			return err
		}
		n = done.RowsAffected
		_, err = tx.ExecOwn(ctx, forgetSums, names)
		return err
	})
	return n, err
}
