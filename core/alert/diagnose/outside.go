package diagnose

import (
	"fmt"
	"strings"
	"time"
)

// breaker is the breaker of a name that is not closed; nil where it is.
func (s *scene) breaker(name string) *Breaker {
	for i := range s.Breakers {
		if s.Breakers[i].Name == name {
			return &s.Breakers[i]
		}
	}
	return nil
}

// tripped is a finding about a breaker that is not closed.
func tripped(b *Breaker, what string) finding {
	f := finding{weight: 1, summary: fmt.Sprintf("%s; the breaker %q is %s", what, b.Name, b.State)}
	if b.Cause != "" {
		f.evidence = []string{"it opened after: " + b.Cause}
	}
	return f
}

func deviceFailed(s *scene) finding {
	share, n := s.errorsOf("io", "fsync", "breaker_storage"), s.counted("io", "fsync")
	lost := s.Now.Counts["commit/missing"] + s.Now.Counts["commit/unknown"] + s.Now.Counts["commit/committed"]
	b := s.breaker("storage")
	if b == nil && n == 0 && share == 0 && lost == 0 {
		return not("no file operation has failed")
	}
	f := finding{weight: share, summary: fmt.Sprintf("file operations fail: %.0f errors of input and output, %.0f COMMITs that failed", n, lost)}
	if b != nil {
		was := f.summary
		f = tripped(b, was)
	}
	if s.Alert.Rule == "CommitOutcomeUnknown" && lost > 0 {
		f.weight = max(f.weight, 0.8)
	}
	if s.symptom.name == "the log grows" {
		f.weight /= 4
	}
	f.advice = []string{"look at the disk: the kernel's log, smartctl -a; writes go on by themselves once a probe succeeds", "engine health tells what works; take a backup while it can be read"}
	return f
}

func diskFull(s *scene) finding {
	share, n := s.errorsOf("full", "breaker_write"), s.counted("full")
	b := s.breaker("write")
	if b == nil && n == 0 {
		return not("no write has failed for want of space")
	}
	f := finding{weight: max(share, 0.2), summary: fmt.Sprintf("%.0f writes found no space or no permission", n)}
	if b != nil {
		f = tripped(b, f.summary)
	}
	if s.Store.DiskFree >= 0 {
		f.evidence = append(f.evidence, fmt.Sprintf("%s are free on the database's file system", bytes(s.Store.DiskFree)))
	}
	f.advice = []string{"free space on the volume, raise the quota, or make it writable; writes go on by themselves"}
	return f
}

func diskFilling(s *scene) finding {
	free, ok := s.Now.Levels["disk/free"]
	if !ok || free.Last >= free.First && s.Store.DiskFree < 0 {
		return not("how much is free is not known, or does not shrink")
	}
	from, over := free.First, s.Now.Span
	if u, ok := s.Usual.Levels["disk/free"]; ok && s.known() {
		from, over = u.First, over+s.Usual.Span
		if !s.Usual.Begun.IsZero() && s.Now.At.After(s.Usual.Begun) {
			over = max(over, s.Now.At.Sub(s.Usual.Begun)) // with the time in which the engine did not run
		}
	}
	lost := from - free.Last
	if lost <= 0 {
		return not("%s are free, no less than before", bytes(free.Last))
	}
	most, grew, all := "", 0.0, 0.0
	for name := range s.Store.Files {
		d := s.Now.Levels["file/"+name].Last - s.Now.Levels["file/"+name].First
		if u, ok := s.Usual.Levels["file/"+name]; ok && s.known() {
			d = s.Now.Levels["file/"+name].Last - u.First
		}
		all += max(0, d)
		if d > grew {
			most, grew = name, d
		}
	}
	rate := lost / max(1, over.Seconds())
	f := finding{weight: 0.9, summary: fmt.Sprintf("%s are free, %s less than %s ago", bytes(free.Last), bytes(lost), short(over))}
	f.evidence = []string{fmt.Sprintf("at that pace it is full in %s", short(time.Duration(free.Last/rate*1e9).Round(time.Minute)))}
	if all < lost/2 {
		f.summary += "; most of it is not the engine's"
		f.evidence = append(f.evidence, fmt.Sprintf("the engine's own files grew by %s in that time", bytes(all)))
		f.advice = []string{"find what grows: du -xh on that file system, from its root"}
		return f
	}
	f.summary += fmt.Sprintf("; the %s grew by %s", most, bytes(grew))
	f.advice = map[string][]string{
		"log":       {"engine ps shows who holds a snapshot, which keeps the log from being reset"},
		"telemetry": {"lower telemetry.limit"},
	}[most]
	if f.advice == nil {
		f.advice = []string{"archive or delete what is old, then VACUUM; or move to a larger volume"}
	}
	return f
}

func cannotOpen(s *scene) finding {
	b := s.breaker("open")
	if b == nil {
		return not("connections can be opened")
	}
	f := tripped(b, "connections cannot be opened")
	f.advice = []string{"put the file back; look at its permissions and at the limit of open files (ulimit -n)"}
	return f
}

func statementFatal(s *scene) finding {
	for i := range s.Breakers {
		b := &s.Breakers[i]
		if strings.HasPrefix(b.Name, "statement") {
			f := tripped(b, "a statement took its connection with it several times")
			f.weight = 0.95
			f.advice = []string{"ask for less at a time, or raise the lane's memory (readers.memory, analytics.memory)"}
			return f
		}
	}
	return not("no statement has taken its connection with it")
}

func fileDamaged(s *scene) finding {
	if s.Store.Quarantine == "" {
		return not("the database is not in quarantine")
	}
	return finding{weight: 1, summary: "the database is damaged and in quarantine: it is read, and not written", evidence: []string{s.Store.Quarantine},
		advice: []string{"restore a backup, or repair the database; then engine health --reset checks it and ends the quarantine", "do not write to it by other programs: that can make it worse"}}
}

func fileMoved(s *scene) finding {
	n := s.Now.Counts["file/moved"]
	if !s.Store.Moved && n == 0 {
		return not("the file is where it was")
	}
	f := finding{weight: 0.9, summary: "the database file was moved, replaced or removed while it was open", advice: []string{"put it back, or restart on the new file", "replace a database only while nobody has it open"}}
	if s.symptom.name == "calls fail" {
		f.weight = max(0.2, s.errorsOf("moved", "cantopen"))
	}
	if n > 0 {
		f.evidence = []string{fmt.Sprintf("that was noticed %.0f times since the alert began", n)}
	}
	return f
}

func migrationFailed(s *scene) finding {
	if s.Store.Migration == "" && s.Store.Unsettled == 0 {
		return not("no migration has failed")
	}
	f := finding{weight: 1, summary: "a migration failed; nothing of it was applied", advice: []string{"engine migrate status shows where it stands, engine migrate plan what would be done", "engine migrate up runs it again"}}
	if s.Store.Migration != "" {
		f.evidence = []string{s.Store.Migration}
	}
	return f
}

func stuckStatement(s *scene) finding {
	fenced, leaked := s.Now.Counts["limit/fenced"], s.Now.Levels["connection/leaked"].Last
	if fenced == 0 && leaked == 0 {
		return not("every statement could be stopped")
	}
	return finding{weight: 0.9, summary: fmt.Sprintf("a statement could not be stopped, and its connection was fenced and left behind: %.0f are", max(fenced, leaked)),
		advice: []string{"restart when convenient: only that frees the connection and its memory", "look at the Go functions that statements call (Config.Extend): one that never returns cannot be stopped"}}
}
