package plugins

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Manifest is plugin.yaml.
type Manifest struct {
	Name         string         `yaml:"name"`
	Version      string         `yaml:"version"`
	ABI          int            `yaml:"abi"`
	Engine       string         `yaml:"engine"` // range of versions, such as ">=0.1 <2"; "" takes any
	Kind         string         `yaml:"kind"`   // wasm (the default), process or builtin
	Module       string         `yaml:"module"` // file name, in the folder of the manifest
	SHA256       string         `yaml:"sha256"` // of the module; not for builtin
	Signature    *Signature     `yaml:"signature"`
	Hooks        []HookSpec     `yaml:"hooks"`
	Capabilities Capabilities   `yaml:"capabilities"`
	Limits       Limits         `yaml:"limits"`
	Policy       Policy         `yaml:",inline"`
	Config       map[string]any `yaml:"config"`
	ConfigSchema map[string]any `yaml:"config_schema"`
	Tests        []TestCase     `yaml:"tests"`
}

// KindBuiltin is the kind of a plug-in that is part of the program; its module is the name that the program gave it.
const KindBuiltin = "builtin"

// Policy says what happens around calls.
type Policy struct {
	OnError string `yaml:"on_error"` // reject (the default) or allow
	Reset   string `yaml:"reset"`    // fault (the default): a clean state after each fault; call: before each call
	Mode    string `yaml:"mode"`     // enforce (the default) or shadow
}

// Signature is an ed25519 signature of the manifest without itself; see Manifest.SignedBytes.
type Signature struct {
	KeyID string `yaml:"key_id"`
	Sig   string `yaml:"sig"` // base64
}

// HookSpec says when the plug-in is asked.
type HookSpec struct {
	On      string   `yaml:"on"`      // validate, retain or notify
	Table   string   `yaml:"table"`   // not for notify
	Ops     []string `yaml:"ops"`     // insert, update, delete; empty: all three
	Columns []string `yaml:"columns"` // what the batch holds, in this order
	When    string   `yaml:"when"`    // statement (the default) or commit; for validate only
}

// Capabilities are what the plug-in may ask of the host.
type Capabilities struct {
	Log       bool          `yaml:"log"`
	MetricAdd []MetricSpec  `yaml:"metric_add"` // the metrics that it counts
	Now       bool          `yaml:"now"`
	Lookup    []LookupQuery `yaml:"lookup"`
	KV        *KVGrant      `yaml:"kv"`
	Outbox    []string      `yaml:"outbox"` // names of endpoints
}

// LookupQuery is a prepared query that the plug-in may run.
type LookupQuery struct {
	Name    string `yaml:"name"`
	SQL     string `yaml:"sql"`
	MaxRows int    `yaml:"max_rows"` // 0: 100
}

// KVGrant bounds what the plug-in keeps.
type KVGrant struct {
	MaxBytes int `yaml:"max_bytes"` // 0: 1 MiB
}

// Limits bound a call. A field of 0 takes the default that WithDefaults names.
type Limits struct {
	Fuel        int64    `yaml:"fuel"`         // of a call
	FuelPerRow  int64    `yaml:"fuel_per_row"` // and this for each row of the batch
	MemoryPages uint32   `yaml:"memory_pages"` // of 64 KiB
	Deadline    Duration `yaml:"deadline"`     // of wall-clock time
	Instances   int      `yaml:"instances"`    // at most, for concurrent calls
}

// Bounds of the limits.
const (
	MaxMemoryPages = 1024 // 64 MiB
	MaxFuel        = int64(1e12)
	MaxDeadline    = time.Minute
	MaxInstances   = 256
)

// WithDefaults fills what is 0: 2,000,000 units of fuel and 20,000 a row, 256 pages, 20 ms, and as many instances as the caller says.
func (l Limits) WithDefaults(instances int) Limits {
	if l.Fuel == 0 {
		l.Fuel = 2_000_000
	}
	if l.FuelPerRow == 0 {
		l.FuelPerRow = 20_000
	}
	if l.MemoryPages == 0 {
		l.MemoryPages = 256
	}
	if l.Deadline == 0 {
		l.Deadline = Duration(20 * time.Millisecond)
	}
	if l.Instances == 0 {
		l.Instances = instances
	}
	return l
}

// Duration is a time.Duration that is written like 20ms.
type Duration time.Duration

// UnmarshalYAML reads Go's notation.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %q is no duration such as 20ms", n.Line, n.Value)
	}
	*d = Duration(v)
	return nil
}

// MarshalYAML writes Go's notation.
func (d Duration) MarshalYAML() (any, error) { return time.Duration(d).String(), nil }

// TestCase is a batch that the plug-in is asked about before it goes into service.
type TestCase struct {
	Name    string   `yaml:"name"`
	Hook    int      `yaml:"hook"` // number of the hook
	Op      string   `yaml:"op"`   // insert is the default
	At      string   `yaml:"at"`   // RFC 3339; "" is 2026-01-02T15:04:05Z
	Rows    [][]any  `yaml:"rows"` // values in the order of the hook's columns; for update the new image, then the old one
	Expect  []Expect `yaml:"expect"`
	MaxFuel int64    `yaml:"max_fuel"` // 0: the limits
}

// Expect is a verdict that must come; verdicts that no Expect names must not.
type Expect struct {
	Row     int    `yaml:"row"`
	Action  string `yaml:"action"` // reject, warn, keep, archive, delete, hold, delivered, retry, drop; "" is reject
	Code    uint32 `yaml:"code"`
	Message string `yaml:"message"` // a part of it
}

// ManifestError lists what is wrong with a manifest. It matches ErrManifest.
type ManifestError struct {
	// Mistakes holds one "key: why and what to do" each.
	Mistakes []string
}

// Error lists the mistakes.
func (e *ManifestError) Error() string {
	return "plugin.yaml: " + strings.Join(e.Mistakes, "; ")
}

// Is matches ErrManifest.
func (e *ManifestError) Is(target error) bool { return target == ErrManifest }

// ParseManifest reads plugin.yaml and checks everything that can be checked without the module.
//
// # Errors
//
// A *ManifestError with every mistake, unknown fields included.
func ParseManifest(b []byte) (*Manifest, error) {
	if len(b) > 1<<20 {
		return nil, &ManifestError{[]string{"larger than 1 MiB"}}
	}
	m := &Manifest{}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	var mistakes []string
	err := dec.Decode(m)
	var typed *yaml.TypeError
	switch {
	case errors.As(err, &typed):
		for _, e := range typed.Errors {
			mistakes = append(mistakes, unknownField(e))
		}
	case errors.Is(err, io.EOF):
		return nil, &ManifestError{[]string{"the file is empty"}}
	case err != nil:
		return nil, &ManifestError{[]string{strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	if err == nil && dec.Decode(&struct{}{}) != io.EOF {
		mistakes = append(mistakes, "the file holds a second document")
	}
	mistakes = append(mistakes, m.check()...)
	if len(mistakes) > 0 {
		return nil, &ManifestError{mistakes}
	}
	return m, nil
}

// unknownField says what yaml says in words of the manifest.
func unknownField(e string) string {
	if before, _, ok := strings.Cut(e, " not found in type "); ok {
		return strings.Replace(before, "field ", "unknown field ", 1)
	}
	if before, _, ok := strings.Cut(e, " into []plugins.MetricSpec"); ok {
		return before + ": capabilities.metric_add is a list of metrics, such as [{name: large_orders, help: orders over a million}]"
	}
	return e
}

// SignedBytes are what a signature covers: the manifest as it is, without its signature. The module is covered by its sha256 in there.
func (m *Manifest) SignedBytes() ([]byte, error) {
	c := *m
	c.Signature = nil
	b, err := yaml.Marshal(&c)
	if err != nil {
		return nil, fmt.Errorf("plugins: %w", err)
	}
	return append([]byte("tidegate plug-in manifest 1\n"), b...), nil
}

// Sign sets the signature.
func (m *Manifest) Sign(keyID string, key ed25519.PrivateKey) error {
	b, err := m.SignedBytes()
	if err != nil {
		return err
	}
	m.Signature = &Signature{KeyID: keyID, Sig: base64.StdEncoding.EncodeToString(ed25519.Sign(key, b))}
	return nil
}

// Verify checks the signature against trusted keys by their id.
//
// # Errors
//
// A *ManifestError that says whether the signature, the key or the match is missing.
func (m *Manifest) Verify(trusted map[string]ed25519.PublicKey) error {
	bad := func(format string, a ...any) error {
		return &ManifestError{[]string{"signature: " + fmt.Sprintf(format, a...)}}
	}
	if m.Signature == nil {
		return bad("there is none, and the policy asks for one: sign it with engine plugin sign")
	}
	key, ok := trusted[m.Signature.KeyID]
	if !ok || len(key) != ed25519.PublicKeySize {
		return bad("key %q is not trusted here: add it to the trusted keys, or sign with one of them", m.Signature.KeyID)
	}
	sig, err := base64.StdEncoding.DecodeString(m.Signature.Sig)
	if err != nil {
		return bad("sig is not base64")
	}
	b, err := m.SignedBytes()
	if err != nil {
		return err
	}
	if !ed25519.Verify(key, b, sig) {
		return bad("it does not belong to this manifest: sign it again after each change")
	}
	return nil
}
