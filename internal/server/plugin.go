package server

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/plugins"
)

// Manager is what a server lets operators do with plug-ins.
type Manager interface {
	// List describes the versions in service.
	List() []plugins.Info
	// Act does one of actions to a plug-in. An error matches plugins.ErrState where that has no meaning now, and plugins.ErrManifest or
	// plugins.ErrFault where a plug-in is not what it should be.
	Act(ctx context.Context, action, name, reason string) error
}

// Manage gives operators the plug-ins. It is called before Serve; without it there are none.
func (s *Server) Manage(m Manager) { s.plugins = m }

// actions are what can be done to a plug-in, each at a path of its own.
var actions = []string{"load", "reload", "unload", "promote", "quarantine", "lift"}

var actionPath = regexp.MustCompile(`^/v1/plugins/([a-z0-9._-]{1,64})/([a-z]+)$`)

// find returns what a path leads to, and the pattern that it has.
func find(path string) (route, string, bool) {
	if rt, ok := routes()[path]; ok {
		return rt, path, true
	}
	if m := actionPath.FindStringSubmatch(path); m != nil && slices.Contains(actions, m[2]) {
		act := func(s *Server, e *exchange) error { return s.act(e, m[2], m[1]) }
		return route{method: http.MethodPost, handle: act}, "/v1/plugins/{name}/" + m[2], true
	}
	return route{}, "", false
}

func shownStats(st engine.RulesStats) RulesReport {
	return RulesReport{st.Calls, st.Rows, st.Time.Microseconds(), st.Rejected, st.Warned, st.Failed, st.Allowed, st.Shadowed}
}

// listPlugins answers with the versions in service and what their rules did.
func (s *Server) listPlugins(e *exchange) error {
	list := []PluginReport{}
	each := s.db.Rules().Each()
	if s.plugins != nil {
		for _, i := range s.plugins.List() {
			p := PluginReport{i.Identity.Name, i.Identity.Version, i.State.String(), i.Tables, i.Faults, i.LastFault, i.Identity.Module, i.Identity.Config, i.Shadow, RulesReport{}}
			for _, st := range each {
				if st.Plugin == p.Name && st.Version == p.Version && st.Shadow == p.Shadow {
					p.Asked = shownStats(st.Stats)
				}
			}
			list = append(list, p)
		}
	}
	return e.document(PluginsReport{Plugins: list, Rules: shownStats(s.db.Rules().Stats())})
}

// act does something to a plug-in.
func (s *Server) act(e *exchange, action, name string) error {
	var body struct {
		Reason string `json:"reason"`
	}
	if err := s.decode(e.w, e.r, &body); err != nil {
		return err
	}
	if s.plugins == nil {
		return &failure{status: http.StatusNotFound, kind: "plugin", message: "this server has no plug-ins: set plugins.dir"}
	}
	err := s.plugins.Act(e.r.Context(), action, name, body.Reason)
	switch {
	case err == nil:
		s.forget() // readiness may have changed
		s.log.Info("a plug-in was told to", "action", action, "plugin", name, "reason", body.Reason)
		e.reply(http.StatusOK, []byte(`{"done":true}`))
		return nil
	case errors.Is(err, plugins.ErrState):
		return &failure{status: http.StatusConflict, kind: "plugin_state", message: err.Error()}
	case errors.Is(err, plugins.ErrManifest), errors.Is(err, plugins.ErrFault):
		return &failure{status: http.StatusUnprocessableEntity, kind: "plugin", message: err.Error()}
	}
	return err
}
