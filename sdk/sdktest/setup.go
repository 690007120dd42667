package sdktest

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
)

// Row is the values of a row in the order of the hook's columns: integers, floats, texts, []byte, true and false (as 1 and 0) and nil. A row of an update has the
// new values and then the old ones.
type Row []any

// Setup is what an engine would be told by plugin.yaml.
type Setup struct {
	// Config is the configuration, a JSON object; "" is {}.
	Config string
	// Hooks are the hooks; On is validate where it is empty, and ID is set.
	Hooks []sdk.Hook
	// Lookups answer the queries.
	Lookups []Lookup
	// At is the instant of batches; zero is 2026-01-02T15:04:05Z.
	At time.Time
	// Endpoints are those that the plug-in may post to.
	Endpoints []string
}

// Lookup is a query of the manifest with the answer that a database would give.
type Lookup struct {
	// Name is the query's.
	Name string
	// Answer returns the rows for the arguments, which are int64, float64, string, []byte or nil. An error is one of the database.
	Answer func(args []any) ([]Row, error)
	// Columns is the width of an answer; 0 is 1.
	Columns int
	// MaxRows is that of the manifest: the host cuts a longer answer and says so; 0 cuts none.
	MaxRows int
}

// Document is the configuration document of the ABI.
func (s *Setup) Document() ([]byte, error) {
	type schema struct {
		ID      int      `json:"id"`
		Table   string   `json:"table"`
		On      string   `json:"on"`
		When    string   `json:"when"`
		Columns []string `json:"columns"`
	}
	type query struct {
		ID   int    `json:"id"`
		Name string `json:"name"`
	}
	config := json.RawMessage(s.Config)
	if s.Config == "" {
		config = json.RawMessage("{}")
	}
	schemas, queries := []schema{}, []query{}
	for i, h := range s.Hooks {
		if h.On == "" {
			h.On = "validate"
		}
		if h.On == "notify" {
			h.Columns = abi.AlertColumns()
		}
		if h.On == "validate" && h.When == "" {
			h.When = "statement"
		}
		schemas = append(schemas, schema{i, h.Table, h.On, h.When, h.Columns})
	}
	for i, l := range s.Lookups {
		queries = append(queries, query{i, l.Name})
	}
	return json.Marshal(map[string]any{"abi": abi.Version, "name": "test", "version": "0.0.0", "config": config, "schemas": schemas, "lookups": queries})
}

// at is the instant of a batch.
func (s *Setup) at() time.Time {
	if s.At.IsZero() {
		return time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	}
	return s.At
}

// Posted is a message that the plug-in gave to the outbox.
type Posted struct {
	Endpoint string
	sdk.Post
}

// World answers what a plug-in asks of the engine, and remembers it. It is safe for concurrent use.
type World struct {
	setup *Setup
	mu    sync.Mutex
	lines []string
	posts []Posted
	kept  map[string][]byte
	count map[string]float64
	asked int
}

// NewWorld makes the world of a setup.
func NewWorld(s *Setup) *World {
	return &World{setup: s, kept: map[string][]byte{}, count: map[string]float64{}}
}

// Services is the world as an instance in this process sees it.
func (w *World) Services() sdk.Services {
	return sdk.Services{
		Log:    func(l sdk.Level, text string) { w.Log(uint32(l), text) },
		Count:  w.Count,
		Lookup: w.Lookup,
		Get:    func(key string) ([]byte, bool, error) { v, ok := w.Get(key); return v, ok, keepable(key, nil) },
		Put: func(key string, value []byte) (bool, error) {
			if err := keepable(key, value); err != nil {
				return false, err
			}
			w.Put(key, append([]byte{}, value...)) // no bytes are a value, too
			return true, nil
		},
		Remove: func(key string) error {
			if err := keepable(key, nil); err != nil {
				return err
			}
			w.Put(key, nil)
			return nil
		},
		Post: w.Post,
	}
}

// keepable reports what an engine takes: keys of 1 to 256 bytes, values of at most 64 KiB.
func keepable(key string, value []byte) error {
	if key == "" || len(key) > 256 || len(value) > 64<<10 {
		return sdk.ErrInvalid
	}
	return nil
}

// Log remembers a line as "level text".
func (w *World) Log(level uint32, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, [...]string{"debug", "info", "warning", "error"}[min(level, abi.LevelError)]+" "+text)
}

// Count adds to a counter.
func (w *World) Count(name string, delta float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count[name] += delta
}

// Get returns a value that was put.
func (w *World) Get(key string) ([]byte, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, ok := w.kept[key]
	return v, ok
}

// Put keeps a value; nil removes it.
func (w *World) Put(key string, value []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if value == nil {
		delete(w.kept, key)
		return
	}
	w.kept[key] = slices.Clone(value)
}

// Post takes a message for one of the endpoints of the setup.
func (w *World) Post(endpoint string, message []byte) (bool, error) {
	if !slices.Contains(w.setup.Endpoints, endpoint) {
		return false, nil
	}
	p, err := sdk.ParsePost(slices.Clone(message))
	if err != nil {
		return false, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.posts = append(w.posts, Posted{endpoint, p})
	return true, nil
}

// Lookup answers a query of the setup.
func (w *World) Lookup(query int, args []byte) ([]byte, error) {
	rows, err := abi.Decode(args)
	if err != nil {
		return nil, sdk.ErrInvalid
	}
	return w.Answer(query, rows)
}

// Answer is Lookup for arguments that were decoded.
func (w *World) Answer(query int, rows abi.Rows) ([]byte, error) {
	if query >= len(w.setup.Lookups) {
		return nil, sdk.ErrQuery
	}
	w.mu.Lock()
	w.asked++
	w.mu.Unlock()
	l := w.setup.Lookups[query]
	var values []any
	for i := range rows.Columns() {
		values = append(values, value(rows.Cell(0, abi.New, i)))
	}
	found, err := l.Answer(values)
	if err != nil {
		return nil, err
	}
	var b abi.Batch
	b.Reset(abi.OpScan, 0, max(1, l.Columns))
	if l.MaxRows > 0 && len(found) > l.MaxRows {
		found = found[:l.MaxRows]
		b.SetPartial()
	}
	for _, row := range found {
		if err := row.appendTo(&b); err != nil {
			return nil, err
		}
	}
	return b.Append(nil)
}

func value(c abi.Cell) any {
	switch c.Type() {
	case abi.Integer:
		return c.Int()
	case abi.Float:
		return c.Float()
	case abi.Text:
		return string(c.Bytes())
	case abi.Blob:
		return slices.Clone(c.Bytes())
	}
	return nil
}

func (r Row) appendTo(b *abi.Batch) error {
	for _, v := range r {
		switch v := v.(type) {
		case nil:
			b.Null()
		case int:
			b.Int(int64(v))
		case int64:
			b.Int(v)
		case bool:
			n := int64(0)
			if v {
				n = 1
			}
			b.Int(n)
		case float64:
			b.Float(v)
		case string:
			b.Text(v)
		case []byte:
			b.Blob(v)
		default:
			return fmt.Errorf("sdktest: a value of type %T: use int, int64, float64, string, []byte, bool or nil", v)
		}
	}
	return nil
}
