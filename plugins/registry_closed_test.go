package plugins_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tidegate/engine/plugins"
)

// slowHost is a host that loads when it is told to.
type slowHost struct {
	fakeHost
	begun, may chan struct{}
}

func (h *slowHost) Load(ctx context.Context, s plugins.Source) (plugins.Unit, error) {
	close(h.begun)
	<-h.may
	return h.fakeHost.Load(ctx, s)
}

// TestLoadWhileTheRegistryCloses: a version that becomes ready behind the end of the registry comes into service for nobody. Whoever loads it is told, and its unit is closed.
func TestLoadWhileTheRegistryCloses(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"", "shadow"} {
		h := &slowHost{begun: make(chan struct{}), may: make(chan struct{})}
		d := &diary{}
		r := plugins.NewRegistry(plugins.Options{Hosts: map[string]plugins.Host{"wasm": h}, Observer: d})
		m := &plugins.Manifest{Name: "limits", Version: "1.0.0", ABI: 1, Hooks: []plugins.HookSpec{{On: "validate", Table: "orders", Columns: []string{"id"}}}}
		m.Policy.Mode = mode
		type loaded struct {
			v   *plugins.Version
			err error
		}
		done := make(chan loaded, 1)
		go func() {
			v, err := r.Load(t.Context(), m, []byte("good"))
			done <- loaded{v, err}
		}()
		<-h.begun
		r.Close()
		close(h.may)
		if l := <-done; l.v != nil || !errors.Is(l.err, plugins.ErrState) {
			t.Errorf("%q: %v, %v", mode, l.v, l.err)
		}
		if n := h.open.Load(); n != 0 {
			t.Errorf("%q: %d units are open", mode, n)
		}
		if got, want := d.take(), "1.0.0 unknown>read, 1.0.0 read>verified, 1.0.0 verified>loaded, 1.0.0 loaded>tested, 1.0.0 tested>failed"; got != want {
			t.Errorf("%q: %s, want %s", mode, got, want)
		}
		if _, err := r.Pin("limits"); !errors.Is(err, plugins.ErrState) {
			t.Errorf("%q: in service: %v", mode, err)
		}
		if list := r.List(); len(list) != 0 {
			t.Errorf("%q: %+v", mode, list)
		}
		if _, err := r.Load(t.Context(), m, []byte("good")); !errors.Is(err, plugins.ErrState) {
			t.Errorf("%q: loaded behind the end: %v", mode, err)
		}
	}
}
