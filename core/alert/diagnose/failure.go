package diagnose

import (
	"fmt"
	"slices"
	"strings"
)

const errorCount = "error/" // with the type of the error behind it

// counted is how many errors of these types there were.
func (s *scene) counted(types ...string) (n float64) {
	for _, t := range types {
		n += s.Now.Counts[errorCount+t]
	}
	return n
}

// errorsOf is the share of errors that are of these types.
func (s *scene) errorsOf(types ...string) float64 {
	all, some := 0.0, 0.0
	for k, v := range s.Now.Counts {
		if t, ok := strings.CutPrefix(k, errorCount); ok {
			all += v
			if slices.Contains(types, t) {
				some += v
			}
		}
	}
	if all == 0 {
		return 0
	}
	return some / all
}

// leading are the types of errors with most of them, as a text.
func (s *scene) leading(types []string) string {
	counts := map[string]float64{}
	for _, t := range types {
		if n := s.counted(t); n > 0 {
			counts[t] = n
		}
	}
	var parts []string
	for _, t := range ranked(counts, func(n float64) float64 { return n }) {
		parts = append(parts, fmt.Sprintf("%.0f × %s", counts[t], t))
	}
	return strings.Join(parts[:min(4, len(parts))], ", ")
}

func callerErrors(s *scene) finding {
	types := []string{"sql", "constraint", "args", "expectation", "mismatch", "too_big", "decimal", "schema", "auth", "misuse", "key_reused", "readonly", "reentrant"}
	share := s.errorsOf(types...)
	if share == 0 {
		return not("callers made no mistakes")
	}
	f := finding{weight: share, summary: fmt.Sprintf("callers make mistakes: %s, %.0f %% of the errors", s.leading(types), 100*share)}
	for _, k := range ranked(s.Now.Statements, func(w Work) float64 { return float64(w.Failed) }) {
		w := s.Now.Statements[k]
		if w.Failed == 0 || len(f.statements) == mostStatements {
			break
		}
		f.statements = append(f.statements, statement(k, w.Summary, "%d of %d calls failed, usually %d of %d", w.Failed, w.Calls, s.Usual.Statements[k].Failed, s.Usual.Statements[k].Calls))
		f.who = append(f.who, k)
	}
	f.advice = []string{"look at what was rolled out last: a new version of the program, a change of the schema", "engine trace dump --last 60s shows the statements with their errors"}
	return f
}

// rejectedErrors are the types of errors by which callers learn of a verdict.
var rejectedErrors = []string{"*change.RejectedError"}

func rowsRejected(s *scene) finding {
	rules := map[string]float64{}
	all := 0.0
	for k, n := range s.Now.Counts {
		if rule, ok := strings.CutPrefix(k, "rejected/"); ok && n > 0 {
			rules[rule], all = n, all+n
		}
	}
	if all == 0 {
		return not("no rule refused a row")
	}
	top := ranked(rules, func(n float64) float64 { return n })[0]
	share := s.errorsOf(rejectedErrors...)
	if s.symptom.by != nil && s.symptom.name != "calls fail" { // an operator's own rule may be about these very rows
		share = 0.1
	}
	return finding{weight: share, summary: fmt.Sprintf("rules refused %.0f rows, %.0f of them by %s", all, rules[top], top),
		advice: []string{"engine plugin list shows the rules; a new version that refuses more than the old one: engine plugin replay compares them", "or the rows are wrong: look at what sends them"}}
}

func overloaded(s *scene) finding {
	refused, most, lane := 0.0, 0.0, ""
	for k, n := range s.Now.Counts {
		if l, ok := strings.CutPrefix(k, "refused/"); ok && n > 0 && !strings.HasSuffix(l, ", connections") { // those are pool_held's
			if refused += n; n > most {
				most, lane = n, l
			}
		}
	}
	if refused == 0 {
		return not("no call was turned away")
	}
	share := s.errorsOf("*lane.OverloadError")
	weight := share
	if s.Alert.Rule == "PoolQueueTimeouts" {
		weight = max(weight, 0.5) // they waited for nothing else, unless another cause says for what
	}
	return finding{weight: weight, summary: fmt.Sprintf("%.0f calls were turned away, most of them by %s (lane, class, reason)", refused, lane),
		evidence: []string{fmt.Sprintf("%.0f %% of the errors are that", 100*share)},
		advice:   []string{"engine top shows who waits for what; docs/overload.md says how to keep what matters going", "bound who asks too much: tenants.quotas"}}
}

func pluginFaults(s *scene) finding {
	share := s.errorsOf("*change.FaultError", "*change.QuarantinedError")
	failed := s.Now.Counts["verdict/failed"]
	if len(s.Plugins) == 0 && failed == 0 {
		return not("no plug-in is out of service, and none has failed")
	}
	f := finding{weight: max(share, 0.05), advice: []string{"engine plugin list says why; engine plugin activate puts another version in its place", "tables that it judges cannot be written until then"}}
	f.summary = fmt.Sprintf("plug-ins failed %.0f times", failed)
	if len(s.Plugins) > 0 {
		f.weight = max(f.weight, 0.2)
		if s.symptom.name == "a plug-in is out of service" {
			f.weight = 1
		}
		f.summary = "out of service after faults: " + strings.Join(s.Plugins, ", ")
		f.evidence = []string{fmt.Sprintf("plug-ins failed %.0f times since the alert began", failed)}
	}
	return f
}

func telemetryStore(s *scene) finding {
	lost := s.Now.Counts["dropped/interval"] + s.Now.Counts["dropped/slow statement"]
	spans := s.Now.Counts["dropped/span"]
	if lost == 0 {
		return not("metrics and slow statements are stored")
	}
	f := finding{weight: 0.9 * lost / max(1, lost+spans/1000), summary: fmt.Sprintf("%.0f intervals of metrics or slow statements were not stored", lost)}
	if s.Store.Telemetry != "" {
		f.evidence = []string{"they go to " + s.Store.Telemetry}
	}
	f.advice = []string{"look at the space and the permissions of that file's folder; the log says what the write failed with", "telemetry.path puts it elsewhere, telemetry.limit bounds it"}
	return f
}

func exporterBehind(s *scene) finding {
	reasons := map[string]float64{}
	all := 0.0
	for k, n := range s.Now.Counts {
		if r, ok := strings.CutPrefix(k, "spans/"); ok && n > 0 {
			reasons[r], all = n, all+n
		}
	}
	if all == 0 {
		return not("no span was dropped")
	}
	top := ranked(reasons, func(n float64) float64 { return n })[0]
	means := map[string]string{"failed": "the sink failed", "behind": "export was behind", "priority": "export was far behind", "overwritten": "the ring went round before they were looked at",
		"rate": "more slow or failed ones came than are promoted", "closed": "the recorder was closed"}[top]
	return finding{weight: 0.85, summary: fmt.Sprintf("%.0f spans were dropped, most because %s", all, means),
		advice: []string{"look whether the collector runs and keeps up", "sample less, or raise trace.records"}}
}
