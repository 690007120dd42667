package plugins

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine/sdk/abi"
)

var (
	nameForm    = regexp.MustCompile(`^[a-z][a-z0-9]*([-_.][a-z0-9]+)*$`)
	versionForm = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
	rangeForm   = regexp.MustCompile(`^(>=|<=|>|<|=)?v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?$`)
)

// mistakes collects what check finds.
type mistakes []string

func (l *mistakes) add(bad bool, format string, a ...any) {
	if bad {
		*l = append(*l, fmt.Sprintf(format, a...))
	}
}

// oneOf checks a word; "" is the default.
func (l *mistakes) oneOf(key, have string, words ...string) {
	l.add(have != "" && !slices.Contains(words, have), "%s: %q is none of %s", key, have, strings.Join(words, ", "))
}

func (m *Manifest) check() []string {
	var l mistakes
	l.add(!nameForm.MatchString(m.Name) || len(m.Name) > 64, "name: %q: use small letters, digits and single - _ . between them, at most 64", m.Name)
	l.add(!versionForm.MatchString(m.Version), "version: %q is not of the form 1.2.3", m.Version)
	l.add(m.ABI != abi.Version, "abi: %d: this engine speaks %d", m.ABI, abi.Version)
	if _, err := matchRange(m.Engine, [3]int{}); err != nil {
		l.add(true, "engine: %v", err)
	}
	l.oneOf("kind", m.Kind, "wasm", "process", KindBuiltin)
	l.add(m.Module == "" || filepath.Base(m.Module) != m.Module || m.Module == "." || m.Module == "..", "module: %q is no plain file name: the module lies beside plugin.yaml", m.Module)
	sum, err := hex.DecodeString(m.SHA256)
	l.add((err != nil || len(sum) != 32) && (m.Kind != KindBuiltin || m.SHA256 != ""), "sha256: not the 64 hexadecimal digits of the module's SHA-256")
	if s := m.Signature; s != nil {
		l.add(s.KeyID == "" || s.Sig == "", "signature: key_id and sig go together")
	}
	l.add(len(m.Hooks) == 0, "hooks: name at least one")
	for i, h := range m.Hooks {
		h.check(&l, "hooks["+strconv.Itoa(i)+"]")
	}
	m.Capabilities.check(&l)
	m.Limits.check(&l)
	l.oneOf("on_error", m.Policy.OnError, "reject", "allow")
	l.oneOf("reset", m.Policy.Reset, "fault", "call")
	l.oneOf("mode", m.Policy.Mode, "enforce", "shadow")
	for i, t := range m.Tests {
		m.checkTest(&l, "tests["+strconv.Itoa(i)+"]", t)
	}
	if m.ConfigSchema != nil {
		checkSchema(&l, "config_schema", m.ConfigSchema)
		checkValue(&l, "config", m.ConfigSchema, orEmpty(m.Config))
	}
	return l
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

func (h HookSpec) check(l *mistakes, key string) {
	l.add(h.On == "", "%s.on: say validate, retain or notify", key)
	l.oneOf(key+".on", h.On, "validate", "retain", "notify")
	for _, op := range h.Ops {
		l.oneOf(key+".ops", op, "insert", "update", "delete")
	}
	l.oneOf(key+".when", h.When, "statement", "commit")
	if h.On == "notify" {
		l.add(h.Table != "" || len(h.Columns) > 0 || len(h.Ops) > 0, "%s: table, columns and ops have no meaning for notify", key)
		return
	}
	l.add(h.Table == "", "%s.table: say which", key)
	l.add(len(h.Columns) == 0 || len(h.Columns) > abi.MaxColumns, "%s.columns: name the columns that the plug-in reads", key)
	seen := map[string]bool{}
	for _, c := range h.Columns {
		l.add(c == "" || seen[strings.ToLower(c)], "%s.columns: %q is empty or there twice", key, c)
		seen[strings.ToLower(c)] = true
	}
	l.add(h.On == "retain" && (len(h.Ops) > 0 || h.When != ""), "%s: ops and when have no meaning for retain", key)
}

func (c Capabilities) check(l *mistakes) {
	seen := map[string]bool{}
	for i, q := range c.Lookup {
		key := "capabilities.lookup[" + strconv.Itoa(i) + "]"
		l.add(!nameForm.MatchString(q.Name) || seen[q.Name], "%s.name: %q is no name, or is there twice", key, q.Name)
		seen[q.Name] = true
		l.add(strings.TrimSpace(q.SQL) == "", "%s.sql: empty", key)
		l.add(q.MaxRows < 0 || q.MaxRows > 10_000, "%s.max_rows: %d is not within 0 and 10000", key, q.MaxRows)
	}
	l.add(len(c.MetricAdd) > MaxMetrics, "capabilities.metric_add: %d metrics are more than %d", len(c.MetricAdd), MaxMetrics)
	for i, m := range c.MetricAdd {
		key := "capabilities.metric_add[" + strconv.Itoa(i) + "]"
		l.add(!nameForm.MatchString(m.Name) || len(m.Name) > 64 || c.metric(m.Name) != &c.MetricAdd[i], "%s.name: %q is no name of small letters, digits and single - _ . between them, or is there twice", key, m.Name)
		l.oneOf(key+".kind", m.Kind, "counter", KindGauge)
	}
	if c.KV != nil {
		l.add(c.KV.MaxBytes < 0 || c.KV.MaxBytes > 1<<30, "capabilities.kv.max_bytes: %d is not within 0 and 1 GiB", c.KV.MaxBytes)
	}
	for _, e := range c.Outbox {
		l.add(!nameForm.MatchString(e), "capabilities.outbox: %q is no name of an endpoint", e)
	}
}

// Granted are the imports that the capabilities allow.
func (c Capabilities) Granted() map[string]bool {
	return map[string]bool{
		abi.CapLog: c.Log, abi.CapMetricAdd: len(c.MetricAdd) > 0, abi.CapNow: c.Now, abi.CapLookup: len(c.Lookup) > 0,
		abi.CapKVGet: c.KV != nil, abi.CapKVPut: c.KV != nil, abi.CapOutboxPut: len(c.Outbox) > 0,
	}
}

// Remedy says what to write into the manifest to grant an import.
func (c Capabilities) Remedy(name string) string {
	switch name {
	case abi.CapLookup:
		return "add capabilities.lookup with its queries to plugin.yaml"
	case abi.CapKVGet, abi.CapKVPut:
		return "add capabilities.kv to plugin.yaml"
	case abi.CapMetricAdd:
		return "add capabilities.metric_add with the names of its metrics to plugin.yaml"
	case abi.CapOutboxPut:
		return "add capabilities.outbox with the names of endpoints to plugin.yaml"
	}
	return "add capabilities." + name + ": true to plugin.yaml"
}

func (lim Limits) check(l *mistakes) {
	l.add(lim.Fuel < 0 || lim.Fuel > MaxFuel, "limits.fuel: %d is not within 0 and %d", lim.Fuel, MaxFuel)
	l.add(lim.FuelPerRow < 0 || lim.FuelPerRow > MaxFuel/1000, "limits.fuel_per_row: %d is not within 0 and %d", lim.FuelPerRow, MaxFuel/1000)
	l.add(lim.MemoryPages > MaxMemoryPages, "limits.memory_pages: %d is more than %d", lim.MemoryPages, MaxMemoryPages)
	l.add(lim.Deadline < 0 || time.Duration(lim.Deadline) > MaxDeadline, "limits.deadline: %v is not within 0 and %v", time.Duration(lim.Deadline), MaxDeadline)
	l.add(lim.Instances < 0 || lim.Instances > MaxInstances, "limits.instances: %d is not within 0 and %d", lim.Instances, MaxInstances)
}

func (m *Manifest) checkTest(l *mistakes, key string, t TestCase) {
	if t.Hook < 0 || t.Hook >= len(m.Hooks) {
		l.add(true, "%s.hook: there is no hook %d", key, t.Hook)
		return
	}
	l.oneOf(key+".op", t.Op, "insert", "update", "delete", "scan", "notify")
	if t.At != "" {
		_, err := time.Parse(time.RFC3339, t.At)
		l.add(err != nil, "%s.at: %q is no instant such as 2026-01-02T15:04:05Z", key, t.At)
	}
	l.add(len(t.Rows) == 0, "%s.rows: empty", key)
	l.add(t.MaxFuel < 0, "%s.max_fuel: negative", key)
	want := len(m.Hooks[t.Hook].columns()) * opOf(t.Op).Images()
	for i, row := range t.Rows {
		l.add(len(row) != want, "%s.rows[%d]: %d values, want %d", key, i, len(row), want)
	}
	for i, e := range t.Expect {
		l.add(e.Row < 0 || e.Row >= len(t.Rows), "%s.expect[%d].row: there is no row %d", key, i, e.Row)
		_, ok := actionOf(e.Action)
		l.add(!ok, "%s.expect[%d].action: unknown action %q", key, i, e.Action)
	}
}

// columns are those of the batches of a hook.
func (h HookSpec) columns() []string {
	if h.On == "notify" {
		return abi.AlertColumns()
	}
	return h.Columns
}

func opOf(s string) abi.Op {
	for op := abi.OpInsert; op <= abi.OpNotify; op++ {
		if op.String() == s {
			return op
		}
	}
	return abi.OpInsert
}

func actionOf(s string) (abi.Action, bool) {
	switch s {
	case "", "reject":
		return abi.Reject, true
	case "warn":
		return abi.Warn, true
	}
	i := slices.Index([]string{"keep", "archive", "delete", "hold", "delivered", "retry", "drop"}, s)
	return abi.Keep + abi.Action(max(i, 0)), i >= 0
}

// matchRange reports whether a version is within a range such as ">=0.1 <2": all its parts must hold.
func matchRange(r string, v [3]int) (bool, error) {
	ok := true
	for _, part := range strings.Fields(strings.ReplaceAll(r, ",", " ")) {
		f := rangeForm.FindStringSubmatch(part)
		if f == nil {
			return false, fmt.Errorf("%q is no range such as \">=0.1 <2\"", r)
		}
		var bound [3]int
		for i := range bound {
			bound[i], _ = strconv.Atoi(f[i+2])
		}
		c := slices.Compare(v[:], bound[:])
		switch f[1] {
		case ">=":
			ok = ok && c >= 0
		case "<=":
			ok = ok && c <= 0
		case ">":
			ok = ok && c > 0
		case "<":
			ok = ok && c < 0
		default:
			ok = ok && c == 0
		}
	}
	return ok, nil
}
