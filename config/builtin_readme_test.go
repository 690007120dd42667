package config_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tidegate/engine/config"
	"github.com/tidegate/engine/policies"
)

// TestExamplesOfPolicyReadmes: whoever pastes what the README of a policy shows, as an entry of plugins.builtin, has a policy that starts.
func TestExamplesOfPolicyReadmes(t *testing.T) {
	t.Parallel()
	shown := 0
	for _, name := range policies.Names() {
		text, err := os.ReadFile(filepath.Join("..", "policies", name, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range strings.Split(string(text), "```yaml\n")[1:] {
			block, _, _ = strings.Cut(block, "```")
			entry := map[string]any{"config": map[string]any{}}
			if err := yaml.Unmarshal([]byte(block), &entry); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			entry["policy"] = name
			list, err := json.Marshal([]any{entry})
			if err != nil {
				t.Fatal(err)
			}
			s := load(t, config.Sources{Flags: []config.Flag{{Name: "--db", Key: "url", Value: "sqlite://"}, {Name: "--set", Key: "plugins.builtin", Value: string(list)}}})
			s.Engine.Logger = slog.New(slog.DiscardHandler)
			db, err := s.Open(t.Context())
			if err != nil {
				t.Errorf("%s: %v\n%s", name, err, block)
				continue
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			shown++
		}
	}
	if shown < 7 {
		t.Errorf("%d examples were tried", shown)
	}
}
