package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tidegate/engine/plugins"
	shipped "github.com/tidegate/engine/policies"
	"github.com/tidegate/engine/policies/alertmanager"
	"github.com/tidegate/engine/policies/dailylimits"
	"github.com/tidegate/engine/policies/doubleentry"
	"github.com/tidegate/engine/policies/logsink"
	"github.com/tidegate/engine/policies/orderlimits"
	"github.com/tidegate/engine/policies/reference"
	"github.com/tidegate/engine/policies/retainbyage"
	"github.com/tidegate/engine/policies/retainbysize"
	"github.com/tidegate/engine/policies/retainbystate"
	"github.com/tidegate/engine/policies/tradingcalendar"
	"github.com/tidegate/engine/policies/webhook"
)

// Builtin puts a policy of the engine's own into service, as a Go value: no module, no folder, no sandbox. It is plugin.yaml of the policy with some keys replaced.
type Builtin map[string]any

// builtinKeys are what an entry may say. Limits are those of modules.
var builtinKeys = []string{"policy", "name", "hooks", "config", "capabilities", "on_error", "mode", "tests"}

// builtinMakers make the values, by the folders of their policies.
func builtinMakers() map[string]func() any {
	return map[string]func() any{"alertmanager": alertmanager.New, "dailylimits": dailylimits.New, "doubleentry": doubleentry.New, "logsink": logsink.New,
		"orderlimits": orderlimits.New, "reference": reference.New, "retainbyage": retainbyage.New, "retainbysize": retainbysize.New, "retainbystate": retainbystate.New,
		"tradingcalendar": tradingcalendar.New, "webhook": webhook.New}
}

// Manifest is the manifest that the entry comes to.
//
// # Errors
//
// What is wrong with the entry; a *plugins.ManifestError, that of its configuration against the policy's schema included.
func (b Builtin) Manifest() (*plugins.Manifest, error) {
	policy, _ := b["policy"].(string)
	text, ok := shipped.Manifest(policy)
	if !ok {
		return nil, fmt.Errorf("policy: %q is none of %s", short(policy), strings.Join(shipped.Names(), ", "))
	}
	for _, key := range slices.Sorted(maps.Keys(b)) {
		if !slices.Contains(builtinKeys, key) {
			return nil, fmt.Errorf("unknown key %q: an entry has %s", short(key), strings.Join(builtinKeys, ", "))
		}
	}
	if _, ok := b["config"]; !ok {
		return nil, errors.New("config is missing: what the policy comes with is an example (config: {} where it needs none)")
	}
	m := map[string]any{}
	if err := yaml.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	delete(m, "sha256")
	delete(m, "tests") // they are about the example
	for key, v := range b {
		m[key] = v
	}
	delete(m, "policy")
	m["kind"], m["module"] = plugins.KindBuiltin, policy
	text, err := yaml.Marshal(m)
	if err != nil {
		return nil, err
	}
	return plugins.ParseManifest(text)
}

// builtinMistakes lists what is wrong with the entries.
func (p *Plugins) builtinMistakes() (bad []string) {
	seen := map[string]bool{}
	for i, b := range p.Builtin {
		key := "plugins.builtin: entry " + strconv.Itoa(i+1)
		m, err := b.Manifest()
		switch {
		case err != nil:
			bad = append(bad, fmt.Sprintf("%s: %v", key, err))
		case seen[m.Name]:
			bad = append(bad, fmt.Sprintf("%s: there are two plug-ins %s: give one of them another name", key, short(m.Name)))
		default:
			seen[m.Name] = true
		}
	}
	return bad
}

// parseBuiltins reads the JSON form; "" is none.
func parseBuiltins(text string) (any, error) {
	if text == "" {
		return []Builtin(nil), nil
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var in []Builtin
	if err := d.Decode(&in); err != nil {
		return nil, fmt.Errorf(`must be JSON, as in: [{"policy": "dailylimits", "config": {"max_rows": 1000}}]: %w`, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one JSON array")
	}
	for i := range in {
		for key, v := range in[i] {
			in[i][key] = plugins.PlainNumbers(v)
		}
	}
	return in, nil
}

// builtinText writes the JSON form.
func builtinText(in []Builtin) string {
	if len(in) == 0 {
		return ""
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(in) // what was read from YAML or JSON encodes, or was refused
	return string(bytes.TrimSpace(b.Bytes()))
}

// builtins takes the list of a file.
func (r *reader) builtins(st setting, line int, value *yaml.Node) {
	var in []Builtin
	if err := value.Decode(&in); err != nil {
		r.wrong(st.key, line, "must be a list of policies, each with a policy, its config and perhaps "+strings.Join(builtinKeys[1:], ", "))
		return
	}
	if _, err := json.Marshal(in); err != nil {
		r.wrong(st.key, line, "a key in it is no text: keys are names")
		return
	}
	r.add(st, builtinText(in), r.at(line))
}
