package config

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/tidegate/engine/plugins"
)

// Plugins configures plug-ins.
type Plugins struct {
	// Dir holds a folder for each plug-in, with its manifest and its module; "" loads none.
	Dir string
	// CacheDir keeps compiled modules; "" is a folder of the user's cache directory, and nothing is kept where there is none.
	CacheDir string
	// RequireSignature refuses what no key of TrustedKeys has signed.
	RequireSignature bool
	// TrustedKeys are ed25519 keys, each as id=base64.
	TrustedKeys []string
	// Builtin are policies of the engine's own, as Go values.
	Builtin []Builtin
	// Guard names the tables that other programs must not write to.
	Guard []string
}

// keys reads the trusted keys by their id.
func (p *Plugins) keys() (map[string]ed25519.PublicKey, error) {
	out := map[string]ed25519.PublicKey{}
	for _, text := range p.TrustedKeys {
		id, encoded, _ := strings.Cut(text, "=")
		key, err := base64.StdEncoding.DecodeString(encoded)
		switch {
		case id == "" || err != nil || len(key) != ed25519.PublicKeySize:
			return nil, fmt.Errorf("%q is no key: write its id, = and the 32 bytes of an ed25519 public key in base64", short(text))
		case out[id] != nil:
			return nil, fmt.Errorf("there are two keys %q", short(id))
		}
		out[id] = key
	}
	return out, nil
}

// mistakes lists what is wrong with p, one "plugins.key: why" each.
func (p *Plugins) mistakes() (bad []string) {
	if _, err := p.keys(); err != nil {
		bad = append(bad, "plugins.trusted_keys: "+err.Error())
	}
	if p.RequireSignature && len(p.TrustedKeys) == 0 {
		bad = append(bad, "plugins.require_signature: no signature can be right without a key: name one in plugins.trusted_keys")
	}
	bad = append(bad, p.builtinMistakes()...)
	for _, table := range p.Guard {
		if strings.HasPrefix(strings.ToLower(table), "sqlite_") || strings.HasPrefix(strings.ToLower(table), "_tg_") {
			bad = append(bad, fmt.Sprintf("plugins.guard: %q is a table of the engine itself", short(table)))
		}
	}
	return bad
}

func pluginSettings() []setting {
	p := func(f func(*Plugins) any) func(*Settings) any {
		return func(s *Settings) any { return f(&s.Plugins) }
	}
	return []setting{
		{key: "plugins.dir", field: p(func(c *Plugins) any { return &c.Dir }),
			doc: "The directory with a folder for each plug-in (plugin.yaml and the module). All of them are loaded at the start, and one that cannot be loaded keeps the program from starting. Empty loads none."},
		{key: "plugins.cache_dir", field: p(func(c *Plugins) any { return &c.CacheDir }),
			doc: "Where compiled modules are kept, readable by their owner alone. Empty: a folder in the user's cache directory."},
		{key: "plugins.require_signature", field: p(func(c *Plugins) any { return &c.RequireSignature }),
			doc: "Refuse plug-ins that none of plugins.trusted_keys has signed."},
		{key: "plugins.trusted_keys", field: p(func(c *Plugins) any { return &c.TrustedKeys }),
			doc: "Keys whose signatures are trusted, each an id, = and an ed25519 public key in base64. A signature that is there is checked in any case once there is a key."},
		{key: "plugins.builtin", field: p(func(c *Plugins) any { return &c.Builtin }),
			doc: "Policies of the engine's own in service, as Go values: a list of entries with policy (a folder of policies/, such as dailylimits), config, and perhaps name, hooks, capabilities, on_error, mode and tests in the place of those of its plugin.yaml."},
		{key: "plugins.guard", field: p(func(c *Plugins) any { return &c.Guard }),
			doc: "Tables that other programs must not write to, past the rules: triggers make their writes fail. Taking a table off this list does not take its triggers away; engine plugin guard --lift does."},
	}
}

// Verify checks the signature of a manifest as a start would.
//
// # Errors
//
// Those of plugins.Manifest.Verify; keys that cannot be read.
func (p *Plugins) Verify(m *plugins.Manifest) error {
	keys, err := p.keys()
	if err != nil || !p.RequireSignature && (m.Signature == nil || len(keys) == 0) {
		return err
	}
	return m.Verify(keys)
}

// Names are the plug-ins that a start would load, those of the directory as they lie there, in order.
//
// # Errors
//
// The directory cannot be read; what is wrong with an entry of plugins.builtin.
func (p *Plugins) Names() ([]string, error) {
	var names []string
	for _, b := range p.Builtin {
		m, err := b.Manifest()
		if err != nil {
			return nil, fmt.Errorf("plugins.builtin: %w", err)
		}
		names = append(names, m.Name)
	}
	if p.Dir != "" {
		folder, err := plugins.OpenFolder(p.Dir, nil)
		if err != nil {
			return nil, fmt.Errorf("plugins.dir: %w", err)
		}
		there, err := folder.Names()
		if err != nil {
			return nil, fmt.Errorf("plugins.dir: %w", err)
		}
		names = append(names, there...)
	}
	slices.Sort(names)
	return names, nil
}
