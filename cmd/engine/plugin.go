package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/tidegate/engine/config"
	"github.com/tidegate/engine/plugins"
)

var pluginVerb = verb{name: "plugin", summary: "write, build, test and sign rules, and load, reload or quarantine them in a running server", run: runPlugin}

// pluginVerbs lists what can stand behind engine plugin, in the order of its help.
func pluginVerbs() []verb {
	return []verb{
		{"new", "write a rule that builds and passes its tests, to begin with", runPluginNew},
		{"build", "compile a rule in Go and write its hash into the manifest", runPluginBuild},
		{"test", "run the manifest's tests in the real host, and the rule's own", runPluginTry},
		{"inspect", "what a module is and asks for, and what would refuse it", runPluginInspect},
		{"bench", "what a row costs in time and fuel", runPluginBench},
		{"replay", "what a rule would say of the rows that a table has now", runPluginReplay},
		{"pack", "make one file of a plug-in", runPluginPack},
		{"keygen", "make a key to sign with", runPluginKeygen},
		{"sign", "sign a manifest", runPluginSign},
		{"list", "the plug-ins in service in a running server", runPluginList},
		{"load", "bring a plug-in of plugins.dir into service", pluginAction("load", "brought into service")},
		{"reload", "load a plug-in anew; the version before stays where that fails", pluginAction("reload", "reloaded")},
		{"promote", "let the version in shadow mode take the place of the active one", pluginAction("promote", "promoted")},
		{"unload", "take a plug-in out of service: its tables are not judged any more", pluginAction("unload", "taken out of service")},
		{"quarantine", "have the tables of a plug-in refuse writes, or end that", runPluginQuarantine},
		{"guard", "make writes of other programs to a table fail, or end that", runPluginGuard},
		{"kept", "what rules keep in the database, and a way to remove it", runPluginKept},
		{"rejections", "the latest verdicts that are stored, newest first", runPluginRejections},
	}
}

const pluginHelp = `Usage: engine plugin <what> [flags] [arguments]

What:
%s
` + "`engine plugin <what> --help`" + ` shows its flags, with examples. A plug-in is a folder with plugin.yaml and the module, or one file of both
(engine plugin pack); plugins.dir holds them.

Examples:
  engine plugin new lot-size && (cd lot-size && go mod tidy) && engine plugin build lot-size && engine plugin test lot-size
  engine plugin reload --config /etc/tidegate/engine.yaml lot-size
  engine plugin quarantine --lift lot-size
`

func runPlugin(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return family{"plugin", pluginHelp, pluginVerbs(), exitUsage}.run(ctx, args, stdout, stderr)
}

// one wants a single argument, and says what it is.
func one(positional []string, what string) (string, error) {
	if len(positional) != 1 {
		return "", fmt.Errorf("want %s, got %d arguments", what, len(positional))
	}
	return positional[0], nil
}

// folder wants the folder of a plug-in as the only argument: verbs that change a manifest, or pack it, take no packed file. One that is not there is told by who reads it.
func folder(positional []string) (string, error) {
	dir, err := one(positional, "the folder of the plug-in")
	if err != nil {
		return "", err
	}
	switch info, err := os.Stat(dir); {
	case err != nil || info.IsDir():
	case filepath.Base(dir) == plugins.ManifestFile:
		return "", fmt.Errorf("%s is the manifest: name its folder", dir)
	default:
		return "", fmt.Errorf("%s is a file: name the folder that holds %s", dir, plugins.ManifestFile)
	}
	return dir, nil
}

// readPlugin reads the plug-in of a folder or of a packed file; what is wrong with the manifest is told with its place.
func readPlugin(dir string) (*plugins.Manifest, []byte, error) {
	m, module, err := plugins.Read(dir)
	if errors.Is(err, plugins.ErrManifest) {
		err = fmt.Errorf("%s: %w", dir, err)
	}
	return m, module, err
}

// hosted reports whether the plug-in is one that this program can run from its files.
func hosted(m *plugins.Manifest) error {
	switch m.Kind {
	case plugins.KindBuiltin:
		return fmt.Errorf("plug-in %s is of kind builtin, a value of the program without a module: its own tests try it (package plugins/plugintest), engine serve with it in plugins.dir loads it", m.Name)
	case "", "wasm":
		return m.Fits(config.EngineVersion())
	}
	return fmt.Errorf("plug-in %s is of kind %s, for which this program has no host: kind is wasm, or left out", m.Name, m.Kind)
}

// pluginSource reads the plug-in of a folder or of a packed file for a host.
func pluginSource(dir string) (plugins.Source, error) {
	m, module, err := readPlugin(dir)
	if err == nil {
		err = hosted(m)
	}
	if err != nil {
		return plugins.Source{}, err
	}
	doc, err := m.Document()
	return plugins.Source{Manifest: m, Module: module, Config: doc}, err
}

// hostedUnit loads a plug-in into the host that serves it in production, with the same limits.
func hostedUnit(ctx context.Context, dir string, change ...func(*plugins.Manifest)) (*plugins.Manifest, plugins.Unit, error) {
	src, err := pluginSource(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range change {
		f(src.Manifest)
	}
	host, err := new(config.Plugins).Wasm(plugins.Services{})
	if err != nil {
		return nil, nil, err
	}
	u, err := host.Load(ctx, src)
	return src.Manifest, u, err
}

// goTool runs the go command in a folder.
func goTool(ctx context.Context, dir string, env []string, stderr io.Writer, args ...string) error {
	path, err := exec.LookPath("go")
	if err != nil {
		return errors.New("the go command is not there: install Go from https://go.dev/dl, or build the module with the tools of its language and run engine plugin build --module FILE")
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, stderr, stderr
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// hasGo reports whether a folder holds Go files of which the name ends so.
func hasGo(dir, suffix string) bool {
	found, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	return err == nil && len(found) > 0
}

// setManifestLine gives a key at the top of a manifest another value and leaves everything else, comments included, as it is.
func setManifestLine(text []byte, key, value string) []byte {
	line := regexp.MustCompile(`(?m)^` + key + `:[^\n]*$`)
	fresh := key + ": " + value
	if !line.Match(text) {
		return append(append(text, fresh...), '\n')
	}
	return line.ReplaceAllLiteral(text, []byte(fresh))
}

// replaceFile writes a file in one step.
func replaceFile(path string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".plugin-*")
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) { // it names the temporary file
			err = p.Err
		}
		return fmt.Errorf("%s cannot be written: %w in %s", path, err, filepath.Dir(path))
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text)
	if err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// printObject writes v as indented JSON.
func printObject(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
