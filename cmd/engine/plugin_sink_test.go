package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine/plugins/wasm/wasmtest"
)

const pagerManifest = `name: pager
version: 1.0.0
abi: 1
module: pager.wasm
sha256: "0000000000000000000000000000000000000000000000000000000000000000"
hooks:
  - {on: notify}
capabilities: {outbox: [desk]}
limits: {fuel: 100000000, deadline: 10s, memory_pages: 128}
config: {greeting: hello}
config_schema: {type: object, properties: {greeting: {type: string}, fails: {type: string}}}
`

// night is a running server whose one sink is the plug-in pager.
type night struct {
	*shelf
	folder, ready string
	posted        chan string
	find          []string
	stop          func()
}

func newNight(t *testing.T) *night {
	t.Helper()
	n := &night{posted: make(chan string, 100)}
	desk := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n.posted <- r.Header.Get("X-Pager") + ": " + string(body)
	}))
	t.Cleanup(desk.Close)
	root := t.TempDir()
	n.shelf = &shelf{filepath.Join(root, "plugins"), filepath.Join(root, "desk.db"), filepath.Join(root, "engine.yaml")}
	n.folder, n.ready = filepath.Join(n.dir, "pager"), filepath.Join(root, "ready.wasm")
	if err := os.MkdirAll(n.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, n.ready, string(wasmtest.Go(t, filepath.Join("testdata", "pager"))))
	n.put(t, pagerManifest+"tests:\n  - {rows: [[1, disk, firing, 2, the disk is full, '', null, 0, '', 0, 1.5, '', '', '', '']], expect: [{row: 0, action: retry, message: refuses}]}\n") // ahead of a load nobody takes messages
	must(t, "plugin", "test", n.folder)
	write(t, n.config, fmt.Sprintf(`url: %s
plugins: {dir: %s, cache_dir: %s}
alerts:
  sinks: [{name: night, kind: plugin, plugin: pager}]
  endpoints: [{name: desk, url: "%s"}, {name: other, url: "%[4]s"}]
`, n.db, n.dir, filepath.Join(root, "cache"), desk.URL))
	must(t, "exec", "--create", "--config", n.config, "CREATE TABLE trades (id INTEGER PRIMARY KEY)")
	n.find, _, _, n.stop = n.serve(t)
	return n
}

// put writes the manifest, with the hash of the module.
func (n *night) put(t *testing.T, manifest string) {
	t.Helper()
	write(t, filepath.Join(n.folder, "plugin.yaml"), manifest)
	must(t, "plugin", "build", "--module", n.ready, n.folder)
}

func (n *night) verb(t *testing.T, args ...string) outcome {
	return program(t, append(args, n.find...)...)
}

func (n *night) act(t *testing.T, args ...string) {
	t.Helper()
	if o := n.verb(t, append([]string{"plugin"}, args...)...); o.code != exitOK {
		t.Fatalf("%v: %s%s", args, o.stdout, o.stderr)
	}
}

// tells wants a test alert to arrive.
func (n *night) tells(t *testing.T, what, want string) {
	t.Helper()
	if o := n.verb(t, "alert", "test"); o.code != exitOK || !strings.Contains(o.stdout, "ok     ") {
		t.Errorf("%s: %s%s", what, o.stdout, o.stderr)
		return
	}
	if len(n.posted) != 2 { // that it began, and that it is over
		t.Errorf("%s: delivered, and %d messages have arrived", what, len(n.posted))
	}
	for range len(n.posted) {
		if got := <-n.posted; !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
}

// fails wants a test alert to say why it does not.
func (n *night) fails(t *testing.T, what, want string) {
	t.Helper()
	if o := n.verb(t, "alert", "test"); o.code != exitError || !strings.Contains(o.stdout, "FAILED night") || !strings.Contains(o.stdout+o.stderr, want) {
		t.Errorf("%s: code %d, %s%s, want %q", what, o.code, o.stdout, o.stderr, want)
	}
	if len(n.posted) > 0 {
		t.Errorf("%s: posted %q", what, <-n.posted)
	}
}

// TestPluginSink: a sink of somebody else's is a folder in plugins.dir and a line of the configuration. A running server tells alerts through it, takes a new version of it
// without a restart, and says what is wrong where it fails; the message leaves by an endpoint that the operator has set up and the manifest names, and by no other.
func TestPluginSink(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	n.tells(t, "at first", "hello: hello ")
	n.put(t, strings.Replace(strings.Replace(pagerManifest, "greeting: hello", "greeting: good evening", 1), "1.0.0", "1.1.0", 1))
	n.act(t, "reload", "pager")
	n.tells(t, "reloaded", "good evening: good evening ")
	n.put(t, strings.Replace(pagerManifest, "greeting: hello", "fails: error", 1))
	n.act(t, "reload", "pager")
	n.fails(t, "a sink that cannot", "out of paper")
	n.put(t, strings.Replace(pagerManifest, "greeting: hello", "fails: panic", 1))
	n.act(t, "reload", "pager")
	n.fails(t, "a sink that traps", "pager")
	n.put(t, strings.Replace(pagerManifest, "outbox: [desk]", "outbox: [other]", 1))
	n.act(t, "reload", "pager")
	n.fails(t, "an endpoint that is not granted", "refuses")
	n.put(t, pagerManifest)
	n.act(t, "reload", "pager")
	n.act(t, "quarantine", "--reason", "too loud", "pager")
	n.fails(t, "in quarantine", "quarantined")
	n.act(t, "quarantine", "--lift", "pager")
	n.tells(t, "lifted", "hello: ")
	n.act(t, "unload", "pager")
	n.fails(t, "unloaded", "no plug-in pager is in service")
	n.act(t, "load", "pager")
	n.tells(t, "loaded", "hello: ")
	if o := n.verb(t, "plugin", "reload", "--json", "pager"); o.code != exitOK || !strings.Contains(o.stdout, `"done": true`) || !strings.Contains(o.stdout, `"action": "reload"`) {
		t.Errorf("%s%s", o.stdout, o.stderr)
	}
	n.stop()
	if err := os.RemoveAll(n.folder); err != nil {
		t.Fatal(err)
	}
	if o := program(t, "serve", "--config", n.config, "--listen", "127.0.0.1:0"); o.code == exitOK || !strings.Contains(o.stderr, "pager") {
		t.Errorf("a server without its sink: code %d, %s", o.code, o.stderr)
	}
}
