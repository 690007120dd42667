package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidegate/engine/config"
	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm"
)

const pluginInspectExamples = `  engine plugin inspect lot-size
  engine plugin inspect --json lot-size | jq .refusals

Nothing of the module is run. The exit code is 1 when something would keep it from being loaded. With --config the signature is checked against
plugins.trusted_keys.
`

// inspected is what --json prints.
type inspected struct {
	Plugin    string           `json:"plugin"`
	Version   string           `json:"version"`
	SHA256    string           `json:"sha256"`
	Signed    string           `json:"signed"` // by the key of this id; "" where there is no signature
	ABI       bool             `json:"abi"`    // it speaks that of this engine
	Size      int              `json:"size"`
	Metered   int              `json:"metered_size"`
	Functions int              `json:"functions"`
	Pages     uint32           `json:"memory_pages"`
	Imports   []inspectedThing `json:"imports"`
	Exports   []string         `json:"exports"`
	Hooks     []string         `json:"hooks"`
	Grants    []string         `json:"capabilities"`
	Limits    inspectedLimits  `json:"limits"`
	Refusals  []string         `json:"refusals"`
}

// inspectedThing is an import.
type inspectedThing struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Granted bool   `json:"granted"`
}

// inspectedLimits are those that hold.
type inspectedLimits struct {
	Fuel       int64  `json:"fuel"`
	FuelPerRow int64  `json:"fuel_per_row"`
	Pages      uint32 `json:"memory_pages"`
	Deadline   string `json:"deadline"`
}

func runPluginInspect(_ context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("plugin inspect", "[flags] FOLDER|FILE", pluginInspectExamples)
	s := settingFlags(f, "config")
	asJSON := f.Bool("json", false, "print one JSON object")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	dir, err := one(positional, "the folder of the plug-in, or its packed file")
	if err != nil {
		return misuse(stderr, "engine plugin inspect", err)
	}
	settings, err := s.load()
	if err != nil {
		return failure(stderr, "plugin inspect", err)
	}
	m, module, err := readPlugin(dir)
	if err != nil {
		return failure(stderr, "plugin inspect", err)
	}
	in := inspectPlugin(&settings.Plugins, m, module)
	if *asJSON {
		err = printObject(stdout, in)
	} else {
		err = in.print(stdout)
	}
	if err != nil {
		return failure(stderr, "plugin inspect", err)
	}
	if len(in.Refusals) > 0 {
		return exitError
	}
	return exitOK
}

func inspectPlugin(c *config.Plugins, m *plugins.Manifest, module []byte) inspected {
	look := wasm.Inspect(m, module)
	lim := m.Limits.WithDefaults(0)
	in := inspected{Plugin: m.Name, Version: m.Version, SHA256: inspectHash(module), ABI: look.Speaks, Size: look.Size, Metered: look.Metered, Functions: look.Functions,
		Pages: look.Pages, Imports: []inspectedThing{}, Exports: append([]string{}, look.Exports...), Hooks: []string{}, Grants: []string{},
		Limits: inspectedLimits{lim.Fuel, lim.FuelPerRow, lim.MemoryPages, time.Duration(lim.Deadline).String()}, Refusals: []string{}}
	if m.Signature != nil {
		in.Signed = m.Signature.KeyID
	}
	for _, i := range look.Imports {
		in.Imports = append(in.Imports, inspectedThing{i.Module + "." + i.Name, i.Type, i.Granted})
	}
	for _, h := range m.Hooks {
		in.Hooks = append(in.Hooks, strings.TrimSpace(fmt.Sprintf("%s %s (%s) %s %s", h.On, h.Table, strings.Join(h.Columns, ", "), strings.Join(h.Ops, "|"), h.When)))
	}
	for name, granted := range m.Capabilities.Granted() {
		if granted {
			in.Grants = append(in.Grants, name)
		}
	}
	if err := hosted(m); err != nil {
		in.Refusals = append(in.Refusals, err.Error())
	}
	if m.Kind == plugins.KindBuiltin {
		return in
	}
	if in.SHA256 != m.SHA256 {
		in.Refusals = append(in.Refusals, "the module's SHA-256 is not that of the manifest: engine plugin build writes it down")
	}
	if err := c.Verify(m); err != nil {
		in.Refusals = append(in.Refusals, err.Error())
	}
	in.Refusals = append(in.Refusals, look.Refusals...)
	return in
}

// inspectHash is the hash of a module as manifests have it.
func inspectHash(module []byte) string {
	sum := sha256.Sum256(module)
	return hex.EncodeToString(sum[:])
}

func (in *inspected) print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s, sha256 %s\n", in.Plugin, in.Version, in.SHA256)
	if in.Signed != "" {
		fmt.Fprintf(&b, "signed by the key %s\n", in.Signed)
	}
	fmt.Fprintf(&b, "%d bytes, %d once metered; %d functions; begins with %d pages of memory\n", in.Size, in.Metered, in.Functions, in.Pages)
	fmt.Fprintf(&b, "limits: %d fuel a call and %d a row, %d pages, %s\n", in.Limits.Fuel, in.Limits.FuelPerRow, in.Limits.Pages, in.Limits.Deadline)
	for _, h := range in.Hooks {
		fmt.Fprintf(&b, "hook: %s\n", h)
	}
	fmt.Fprintf(&b, "exports: %s\n", strings.Join(in.Exports, " "))
	for _, i := range in.Imports {
		state := "granted"
		if !i.Granted {
			state = "NOT granted"
		}
		fmt.Fprintf(&b, "imports: %s %s: %s\n", i.Name, i.Type, state)
	}
	if len(in.Refusals) == 0 {
		b.WriteString("nothing would keep it from being loaded, but for its tests: engine plugin test\n")
	}
	for _, r := range in.Refusals {
		fmt.Fprintf(&b, "REFUSED: %s\n", r)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
