package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/core/sqlite/peer"
	"github.com/tidegate/engine/plugins/wasm/wasmtest"
)

// shelf is a directory of plug-ins with the rule of plugins/wasm/testdata/desk in it, a database under it, and its configuration.
type shelf struct {
	dir, db, config string
}

const deskManifest = `name: desk
version: 1.0.0
abi: 1
module: desk.wasm
sha256: "0000000000000000000000000000000000000000000000000000000000000000"
hooks:
  - {on: validate, table: trades, columns: [id, symbol, qty]}
limits: {deadline: 10s, memory_pages: 64}
tests:
  - {rows: [[1, A, 1]]}
  - {rows: [[1, A, 0]], expect: [{row: 0, code: 1}]}
`

func newShelf(t *testing.T) *shelf {
	t.Helper()
	root := t.TempDir()
	s := &shelf{filepath.Join(root, "plugins"), filepath.Join(root, "desk.db"), filepath.Join(root, "engine.yaml")}
	if err := os.MkdirAll(filepath.Join(s.dir, "desk"), 0o755); err != nil {
		t.Fatal(err)
	}
	module := filepath.Join(root, "ready.wasm")
	write(t, module, string(wasmtest.Go(t, filepath.Join("..", "..", "plugins", "wasm", "testdata", "desk"))))
	write(t, filepath.Join(s.dir, "desk", "plugin.yaml"), deskManifest)
	must(t, "plugin", "build", "--module", module, filepath.Join(s.dir, "desk"))
	write(t, s.config, fmt.Sprintf("url: %s\nplugins:\n  dir: %s\n  cache_dir: %s\n", s.db, s.dir, filepath.Join(root, "cache")))
	must(t, "exec", "--create", "--db", s.db, "CREATE TABLE trades (id INTEGER PRIMARY KEY, symbol TEXT, qty INTEGER) STRICT", "CREATE TABLE other (id INTEGER PRIMARY KEY) STRICT")
	return s
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (s *shelf) manifest() string { return filepath.Join(s.dir, "desk", "plugin.yaml") }

// edit replaces a part of the manifest.
func (s *shelf) edit(t *testing.T, old, fresh string) {
	t.Helper()
	text, err := os.ReadFile(s.manifest())
	if err != nil || !strings.Contains(string(text), old) {
		t.Fatalf("%v, or no %q in the manifest", err, old)
	}
	write(t, s.manifest(), strings.Replace(string(text), old, fresh, 1))
}

// serve starts engine serve and returns its flags, its URL, its token and what stops it.
func (s *shelf) serve(t *testing.T) (find []string, url, token string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var stdout, stderr lines
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"serve", "--config", s.config, "--listen", "127.0.0.1:0", "--set", "server.drain.delay=0s", "--set", "server.drain.time=1ms"}, &stdout, &stderr)
	}()
	stopped := false
	stop = func() {
		if cancel(); !stopped {
			stopped = true
			<-code
		}
	}
	t.Cleanup(stop)
	url, token = waitServing(t, &stderr)
	return []string{"--config", s.config, "--server", strings.TrimPrefix(url, "http://")}, url, token, stop
}

func (s *shelf) count(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(must(t, "query", "--db", s.db, "--json", "SELECT count(*) FILTER (WHERE qty > 0) * 100 + count(*) FILTER (WHERE qty IS NULL OR qty < 1) AS n FROM trades").stdout)
}

// Every verb that writes enforces the rules of its configuration, and a configuration whose plug-in cannot be loaded opens nothing.
func TestVerbsEnforceRules(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const bad = "INSERT INTO trades VALUES (3, 'A', 0)"
	refused := func(what string, o outcome) {
		t.Helper()
		if o.code != exitError || !strings.Contains(o.stderr, "rejected by desk 1.0.0, rule 1: qty must be at least 1") {
			t.Errorf("%s: code %d, stderr %s", what, o.code, o.stderr)
		}
	}
	refused("exec", program(t, "exec", "--config", s.config, "INSERT INTO other VALUES (1)", bad))
	rows := filepath.Join(t.TempDir(), "rows.csv")
	write(t, rows, "id,symbol,qty\n1,A,5\n2,B,0\n")
	o := program(t, "import", "--config", s.config, "--table", "trades", rows)
	if o.code != exitError || !strings.Contains(o.stderr+o.stdout, "qty must be at least 1") {
		t.Errorf("import: code %d, %s%s", o.code, o.stdout, o.stderr)
	}
	var out, errs strings.Builder
	if code := shellFrom(t.Context(), strings.NewReader(bad+";\n"), []string{"--config", s.config}, &out, &errs); code != exitError || !strings.Contains(errs.String(), "qty must be at least 1") {
		t.Errorf("shell: code %d, %s", code, errs.String())
	}
	if o := must(t, "plugin", "rejections", "--config", s.config, "--json"); strings.Count(o.stdout, `"plugin":"desk"`) < 2 || !strings.Contains(o.stdout, `"column":"qty"`) {
		t.Errorf("stored: %s", o.stdout)
	}
	if got := s.count(t); got != `{"n":100}` { // the row before the bad one of the file
		t.Errorf("rows: %s", got)
	}
	must(t, "exec", "--config", s.config, "INSERT INTO trades VALUES (3, 'A', 1)")
	s.edit(t, "module: desk.wasm", "module: gone.wasm")
	for _, args := range [][]string{{"exec", "--config", s.config, "INSERT INTO other VALUES (2)"}, {"import", "--config", s.config, "--table", "other", rows}, {"serve", "--config", s.config, "--listen", "127.0.0.1:0"}} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // a server that starts all the same has to end
		var out, errs lines
		if code := run(ctx, args, &out, &errs); code != exitError || !strings.Contains(errs.String(), "the module of plug-in desk is missing") {
			t.Errorf("%s without the module: code %d, %s", args[0], code, errs.String())
		}
		cancel()
	}
}

// The API names what was rejected; a quarantine by faults turns readiness and engine health red, survives a restart, leaves other tables alone, and ends when an
// operator says so.
func TestServeQuarantine(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	find, url, token, stop := s.serve(t)
	insert := func(symbol string, qty int) (int, string) {
		return ask(t, "POST", url+"/v1/exec", token, fmt.Sprintf(`{"sql":"INSERT INTO trades (symbol, qty) VALUES (?, ?)","args":[%q,%d]}`, symbol, qty))
	}
	if status, body := insert("A", 0); status != 422 || !strings.Contains(body, `"kind":"rejected"`) || !strings.Contains(body, `"rejection":{"rule":1,"plugin":"desk","version":"1.0.0","table":"trades","column":"qty"`) {
		t.Errorf("%d %s", status, body)
	}
	if status, body := ask(t, "POST", url+"/v1/batch", token, `{"statements":[{"sql":"INSERT INTO other VALUES (9)"},{"sql":"INSERT INTO trades VALUES (9,'A',0)"}]}`); status != 422 {
		t.Errorf("batch: %d %s", status, body)
	}
	if status, body := ask(t, "POST", url+"/v1/query", token, `{"sql":"INSERT INTO trades VALUES (9,'A',0) RETURNING id"}`); status != 403 {
		t.Errorf("query: %d %s", status, body)
	}
	for range 5 {
		if status, body := insert("PANIC", 1); status != 422 || !strings.Contains(body, "rule_fault") {
			t.Errorf("%d %s", status, body)
		}
	}
	inQuarantine := func(when string) {
		t.Helper()
		if status, body := insert("A", 1); status != 503 || !strings.Contains(body, "plugin_quarantined") {
			t.Errorf("%s: %d %s", when, status, body)
		}
		if status, body := ask(t, "POST", url+"/v1/exec", token, `{"sql":"INSERT INTO other DEFAULT VALUES"}`); status != 200 {
			t.Errorf("%s, another table: %d %s", when, status, body)
		}
		if o := must(t, append([]string{"plugin", "list"}, find...)...); !strings.Contains(o.stdout, "quarantined") {
			t.Errorf("%s: %s", when, o.stdout)
		}
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) { // the answer of /readyz is repeated for a moment, and a quarantine is stored soon
			status, body := ask(t, "GET", url+"/readyz", token, "")
			o := program(t, "health", "--db", s.db)
			if status == 503 && strings.Contains(body, "desk 1.0.0") && o.code == exitError && strings.Contains(o.stdout, "desk 1.0.0") {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d %s; health: code %d %s", when, status, body, o.code, o.stdout)
			}
		}
	}
	inQuarantine("after five faults")
	stop()
	find, url, token, _ = s.serve(t)
	inQuarantine("after a restart")
	must(t, append([]string{"plugin", "quarantine", "--lift"}, append(find, "desk")...)...)
	if status, body := insert("A", 1); status != 200 {
		t.Errorf("lifted: %d %s", status, body)
	}
	if status, body := ask(t, "GET", url+"/readyz", token, ""); status != 200 {
		t.Errorf("lifted: %d %s", status, body)
	}
	if o := program(t, "health", "--db", s.db); o.code != exitOK {
		t.Errorf("lifted: %s", o.stdout)
	}
}

// What operators do to plug-ins in a running server: a reload that fails leaves the version before, one that succeeds ends a quarantine, and nobody without the
// token does anything.
func TestPluginOperations(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	find, url, token, _ := s.serve(t)
	do := func(args ...string) outcome {
		return program(t, append(append([]string{"plugin"}, args...), find...)...)
	}
	refuses := func(says string, args ...string) {
		t.Helper()
		if o := do(args...); o.code != exitError || !strings.Contains(o.stderr, says) {
			t.Errorf("%v: code %d, %s; want %q", args, o.code, o.stderr, says)
		}
	}
	for path, want := range map[string]int{"/v1/plugins/desk/unload": 401, "/v1/plugins/desk/lift": 401, "/v1/plugins": 401,
		"/v1/plugins/..%2f..%2fetc/reload": 404, "/v1/plugins/desk/explode": 404, "/v1/plugins/a/b/reload": 404} {
		with := token
		if want == 401 {
			with = "wrong"
		}
		if status, _ := ask(t, "POST", url+path, with, `{}`); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
	refuses("is in service already", "load", "desk")
	refuses("holds no plug-in nobody", "reload", "nobody")
	refuses("no version in shadow mode", "promote", "desk")
	refuses("is not quarantined", "quarantine", "--lift", "desk")
	s.edit(t, "version: 1.0.0", "version: 1.1.0\nmode: explode")
	refuses("none of enforce, shadow", "reload", "desk")
	s.edit(t, "\nmode: explode", "")
	s.edit(t, "code: 1}", "code: 7}")
	refuses("its own test", "reload", "desk")
	state := func() servedPlugins {
		var l servedPlugins
		if err := json.Unmarshal([]byte(do("list", "--json").stdout), &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	if l := state(); len(l.Plugins) != 1 || l.Plugins[0].Version != "1.0.0" || l.Plugins[0].State != "active" {
		t.Errorf("after reloads that failed: %+v", l)
	}
	s.edit(t, "code: 7}", "code: 1}")
	if o := do("quarantine", "--reason", "too strict", "desk"); o.code != exitOK {
		t.Errorf("%s", o.stderr)
	}
	if l := state(); l.Plugins[0].State != "quarantined" || !strings.Contains(l.Plugins[0].LastFault, "too strict") {
		t.Errorf("%+v", l)
	}
	if o := do("reload", "desk"); o.code != exitOK {
		t.Errorf("%s", o.stderr)
	}
	if l := state(); l.Plugins[0].Version != "1.1.0" || l.Plugins[0].State != "active" {
		t.Errorf("after the reload: %+v", l)
	}
	s.edit(t, "version: 1.1.0", "version: 1.2.0\nmode: shadow")
	if o := do("reload", "desk"); o.code != exitOK || len(state().Plugins) != 2 {
		t.Errorf("shadow: %s %+v", o.stderr, state())
	}
	exec := func(qty string) (int, string) {
		return ask(t, "POST", url+"/v1/exec", token, `{"sql":"INSERT INTO trades (symbol, qty) VALUES ('A', `+qty+`)"}`)
	}
	if status, body := exec("1"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	if l := state(); len(l.Plugins) != 2 || l.Plugins[0].Shadow || !l.Plugins[1].Shadow || l.Plugins[0].Asked.Rows != 1 || l.Plugins[1].Asked.Rows != 1 || l.Plugins[1].Asked.Shadowed != 0 {
		t.Errorf("each version is counted by itself: %+v", l)
	}
	if o := do("list"); !strings.Contains(o.stdout, "would reject") || !strings.Contains(o.stdout, "shadow") {
		t.Errorf("%s", o.stdout)
	}
	if o := do("promote", "desk"); o.code != exitOK || state().Plugins[0].Version != "1.2.0" {
		t.Errorf("promote: %s %+v", o.stderr, state())
	}
	if status, body := exec("0"); status != 422 || !strings.Contains(body, `"1.2.0"`) {
		t.Errorf("what was in shadow mode refuses now: %d %s", status, body)
	}
	if o := do("unload", "desk"); o.code != exitOK || len(state().Plugins) != 0 {
		t.Errorf("unload: %s", o.stderr)
	}
}

// Where signatures are required, only what a trusted key has signed is loaded, whatever was changed afterwards.
func TestPluginSignatures(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	key := filepath.Join(t.TempDir(), "ops.key")
	public := strings.TrimSpace(must(t, "plugin", "keygen", "--out", key, "ops").stdout)
	open := []string{"exec", "--config", s.config, "--set", "plugins.require_signature=true", "--set", "plugins.trusted_keys=" + public, "INSERT INTO other DEFAULT VALUES"}
	if o := program(t, open...); o.code != exitError || !strings.Contains(o.stderr, "signature: there is none") {
		t.Errorf("unsigned: code %d, %s", o.code, o.stderr)
	}
	must(t, "plugin", "sign", "--key", key, "--key-id", "ops", filepath.Dir(s.manifest()))
	must(t, open...)
	s.edit(t, "deadline: 10s", "deadline: 11s")
	if o := program(t, open...); o.code != exitError || !strings.Contains(o.stderr, "does not belong to this manifest") {
		t.Errorf("changed: code %d, %s", o.code, o.stderr)
	}
	if o := program(t, "plugin", "inspect", "--set", "plugins.trusted_keys="+public, filepath.Dir(s.manifest())); o.code != exitError || !strings.Contains(o.stdout, "does not belong") {
		t.Errorf("inspect: code %d, %s", o.code, o.stdout)
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := os.Chmod(s.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if o := program(t, "exec", "--config", s.config, "INSERT INTO other DEFAULT VALUES"); o.code != exitError || !strings.Contains(o.stderr, "everybody may write") {
		t.Errorf("open to everybody: code %d, %s", o.code, o.stderr)
	}
}

// A plug-in packed into one file is inspected, tested and served as its folder was, signature included.
func TestPluginPack(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	dir, key := filepath.Dir(s.manifest()), filepath.Join(t.TempDir(), "ops.key")
	public := strings.TrimSpace(must(t, "plugin", "keygen", "--out", key, "ops").stdout)
	file := filepath.Join(s.dir, "desk.tgplug")
	for says, args := range map[string][]string{
		"called after itself":              {"--out", filepath.Join(s.dir, "other.zip"), dir},
		"go together":                      {"--key", key, dir},
		"the folder of the plug-in":        {},
		"holds no plugin.yaml":             {s.dir},
		"engine plugin keygen makes a key": {"--key", key + "x", "--key-id", "ops", dir},
	} {
		if o := program(t, append([]string{"plugin", "pack"}, args...)...); o.code == exitOK || !strings.Contains(o.stderr, says) {
			t.Errorf("%v: code %d, %s", args, o.code, o.stderr)
		}
	}
	var p packedPlugin
	if err := json.Unmarshal([]byte(must(t, "plugin", "pack", "--json", "--key", key, "--key-id", "ops", "--out", file, dir).stdout), &p); err != nil || p.Plugin != "desk" || p.Signed != "ops" || p.Size == 0 {
		t.Errorf("%+v, %v", p, err)
	}
	signed := []string{"--config", s.config, "--set", "plugins.require_signature=true", "--set", "plugins.trusted_keys=" + public}
	if o := program(t, append(append([]string{"exec"}, signed...), "INSERT INTO other DEFAULT VALUES")...); o.code != exitError || !strings.Contains(o.stderr, "take one of them away") {
		t.Errorf("in both forms: code %d, %s", o.code, o.stderr)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	must(t, append(append([]string{"exec"}, signed...), "INSERT INTO trades VALUES (1, 'A', 1)")...)
	if o := program(t, append(append([]string{"exec"}, signed...), "INSERT INTO trades VALUES (2, 'A', 0)")...); o.code != exitError || !strings.Contains(o.stderr, "rejected by desk 1.0.0") {
		t.Errorf("code %d, %s", o.code, o.stderr)
	}
	if o := must(t, "plugin", "inspect", "--set", "plugins.trusted_keys="+public, file); !strings.Contains(o.stdout, "signed by the key ops") {
		t.Errorf("%s", o.stdout)
	}
	must(t, "plugin", "test", file)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(raw[:len(raw)/2]))
	if o := program(t, append(append([]string{"exec"}, signed...), "INSERT INTO other DEFAULT VALUES")...); o.code != exitError || !strings.Contains(o.stderr, "is no plug-in of engine plugin pack") {
		t.Errorf("half of it: code %d, %s", o.code, o.stderr)
	}
}

// A guard keeps other programs out, is no drift of the schema, and comes back at each start where the configuration names it.
func TestPluginGuard(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "desk.db")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "0001_trades.sql"), "-- migration: trades\n-- compat: 0001\n-- +up\nCREATE TABLE trades (id INTEGER PRIMARY KEY, qty INTEGER) STRICT;\n-- +down\nDROP TABLE trades;\n")
	must(t, "migrate", "sum", "--dir", dir)
	must(t, "migrate", "up", "--create", "--db", path, "--dir", dir)
	if o := program(t, "plugin", "guard", "--status", "--db", path, "trades"); o.code != exitError {
		t.Errorf("%s", o.stdout)
	}
	must(t, "exec", "--db", path, "--set", "plugins.guard=trades", "INSERT INTO trades VALUES (1, 1)")
	must(t, "plugin", "guard", "--status", "--db", path, "trades")
	foreign := func() error {
		db, err := peer.Open(path, peer.Options{Connections: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		_, err = db.Exec("UPDATE trades SET qty = -1")
		return err
	}
	if err := foreign(); err == nil || !strings.Contains(err.Error(), "no such function") {
		t.Errorf("another program wrote: %v", err)
	}
	must(t, "migrate", "status", "--db", path, "--dir", dir)
	must(t, "migrate", "verify", "--db", path, "--dir", dir)
	write(t, filepath.Join(dir, "0002_more.sql"), "-- migration: more\n-- compat: 0001\n-- +up\nUPDATE trades SET qty = 2;\nALTER TABLE trades ADD COLUMN note TEXT;\n-- +down\nALTER TABLE trades DROP COLUMN note;\n")
	must(t, "migrate", "sum", "--dir", dir)
	must(t, "migrate", "up", "--db", path, "--dir", dir)
	must(t, "migrate", "verify", "--db", path, "--dir", dir)
	must(t, "plugin", "guard", "--lift", "--db", path, "trades")
	if err := foreign(); err != nil {
		t.Errorf("after --lift: %v", err)
	}
}

// A rule that has just been written builds, passes its own tests and those of its manifest, is measured, and finds what is wrong with rows that are there already.
func TestPluginNew(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	dir := filepath.Join(work, "lot-size")
	began := time.Now()
	must(t, "plugin", "new", "--out", dir, "--table", "trades", "lot-size")
	write(t, filepath.Join(work, "go.work"), "go 1.26.0\n\nuse ./lot-size\n\nreplace github.com/tidegate/engine => "+root+"\n") // what a release is for others
	if o := program(t, "plugin", "test", dir); o.code != exitError || !strings.Contains(o.stderr, "engine plugin build") {
		t.Errorf("before it was built: code %d, %s", o.code, o.stderr)
	}
	must(t, "plugin", "build", dir)
	var tried triedPlugin
	if err := json.Unmarshal([]byte(must(t, "plugin", "test", "--json", dir).stdout), &tried); err != nil {
		t.Fatal(err)
	}
	if tried.GoTests != "passed" || len(tried.Tests) != 2 || !tried.Tests[0].OK || !tried.Tests[1].OK || tried.Tests[0].Fuel == 0 {
		t.Errorf("%+v", tried)
	}
	t.Logf("written, built and tested in %v", time.Since(began).Round(time.Millisecond))
	if o := must(t, "plugin", "inspect", dir); !strings.Contains(o.stdout, "tg_validate") || strings.Contains(o.stdout, "REFUSED") {
		t.Errorf("%s", o.stdout)
	}
	if o := must(t, "plugin", "bench", "--time", "20ms", dir); !strings.Contains(o.stdout, "fuel/row") || strings.Count(o.stdout, "\n") != 4 {
		t.Errorf("%s", o.stdout)
	}
	db := newDatabase(t, "CREATE TABLE trades (id INTEGER PRIMARY KEY, qty INTEGER)", "INSERT INTO trades VALUES (1, 5), (2, 0), (3, -1)")
	if o := program(t, "plugin", "replay", "--db", db, dir); o.code != exitError || !strings.Contains(o.stdout, "row 2, rule 1: qty 0 is under 1") {
		t.Errorf("replay: code %d, %s%s", o.code, o.stdout, o.stderr)
	}
	if o := program(t, "plugin", "new", "--out", dir, "lot-size"); o.code != exitError || !strings.Contains(o.stderr, "is there already") {
		t.Errorf("over a folder that is there: %s", o.stderr)
	}
	text, err := os.ReadFile(filepath.Join(dir, "plugin.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "plugin.yaml"), strings.Replace(string(text), "code: 1", "code: 2", 1))
	if o := program(t, "plugin", "test", "--go=false", dir); o.code != exitError || !strings.Contains(o.stderr, "1 of 2 tests") {
		t.Errorf("a test that does not hold: code %d, %s", o.code, o.stderr)
	}
	write(t, filepath.Join(dir, "plugin.yaml"), strings.Replace(string(text), "sha256: \"", "sha256: \"0", 1))
	if o := program(t, "plugin", "test", dir); o.code != exitError || !strings.Contains(o.stderr, "sha256") {
		t.Errorf("another hash: code %d, %s", o.code, o.stderr)
	}
}

// TestPluginBuildWithoutSums: a module of its own that was never tidied cannot be built, and the remedy is said.
func TestPluginBuildWithoutSums(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "lot-size")
	if o := must(t, "plugin", "new", "--out", dir, "lot-size"); !strings.Contains(o.stdout, "next: (cd "+dir+" && go mod tidy) && engine plugin build") {
		t.Errorf("it leads to a build that fails: %s", o.stdout)
	}
	if o := program(t, "plugin", "build", dir); o.code != exitError || !strings.Contains(o.stderr, "go mod tidy") {
		t.Errorf("code %d, %s", o.code, o.stderr)
	}
}
