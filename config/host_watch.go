package config

import (
	"context"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/plugins"
)

// watchEvery is how often a process looks for what others have stored of quarantines. A rule that another process has found to be broken judges here for no longer.
const watchEvery = 250 * time.Millisecond

// sight is what the files of the database looked like: while they look the same, nobody has written anything.
type sight struct {
	size, logSize int64
	at, logAt     time.Time
}

// watch has this process follow what others say of the plug-ins that it has in service: a quarantine that was stored, and one that was lifted.
func (h *Host) watch() {
	loc, err := sqlite.ParseURL(h.db.Config().URL)
	if err != nil || loc.Memory {
		return // nobody else can open it
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var last sight
	failed := false
	for {
		select {
		case <-h.stop:
			return
		case <-tick.C:
		}
		now := look(loc.Path)
		if now == last && runtime.GOOS != "windows" { // Windows tells of a change when the file is closed
			continue
		}
		err := h.follow()
		if err == nil {
			last = now
		} else if !failed {
			h.log.Warn("whether another process has put a plug-in into quarantine cannot be read; it is tried again", "error", err)
		}
		failed = err != nil
	}
}

func look(path string) (s sight) {
	if f, err := os.Stat(path); err == nil {
		s.size, s.at = f.Size(), f.ModTime()
	}
	if f, err := os.Stat(path + "-wal"); err == nil {
		s.logSize, s.logAt = f.Size(), f.ModTime()
	}
	return s
}

// follow does here what the database says. A quarantine of this process that is not stored yet is no business of it.
func (h *Host) follow() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	h.moving.Lock()
	defer h.moving.Unlock()
	stored, err := h.db.Rules().Quarantines(ctx)
	if err != nil {
		return err
	}
	for _, i := range h.Registry.List() {
		id := i.Identity
		at := slices.IndexFunc(stored, func(q engine.PluginQuarantine) bool {
			return q.Plugin == id.Name && q.Module == id.Module && q.Config == id.Config
		})
		switch {
		case i.State == plugins.StateActive && at >= 0 && !h.stored[id]:
			h.stored[id] = true // ahead of what the registry reports: it is stored already
			if err := h.Registry.Quarantine(id.Name, stored[at].Reason); err != nil {
				delete(h.stored, id)
				return err
			}
			h.log.Error("another process has put a plug-in into quarantine: its tables are not written here either", "plugin", id.Name, "version", id.Version, "reason", stored[at].Reason)
		case i.State == plugins.StateQuarantined && at < 0 && h.stored[id]:
			delete(h.stored, id)
			if err := h.Registry.Unquarantine(id.Name); err != nil {
				return err
			}
			h.log.Warn("another process has ended the quarantine of a plug-in", "plugin", id.Name, "version", id.Version)
		}
	}
	return nil
}
