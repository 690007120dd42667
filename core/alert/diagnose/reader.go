package diagnose

import (
	"fmt"
	"strings"
	"time"
)

// oldSnapshot is from when on a snapshot keeps the log from being reset for long enough to be noticed.
const oldSnapshot = time.Second

// oldestReader is the read session that is under way for longest; nil where there is none.
func (s *scene) oldestReader() *Session {
	var oldest *Session
	for i := range s.Sessions {
		if x := &s.Sessions[i]; x.Lane != "writer" && x.State != "waiting" && (oldest == nil || x.Age > oldest.Age) {
			oldest = x
		}
	}
	return oldest
}

// pins are the checkpoints that a reader was in the way of.
func (s *scene) pins() float64 { return s.Now.Counts["checkpoint/incomplete"] }

func longReader(s *scene) finding {
	r := s.oldestReader()
	if r == nil || r.Age < oldSnapshot {
		return not("no session of this process has been reading for a second")
	}
	if o := s.Store.Snapshot; o.Foreign && o.Age > r.Age {
		return not("the oldest snapshot of this process is %s old, and younger than that of another program", short(r.Age))
	}
	size := "the log holds " + bytes(s.Store.WALUsed)
	if s.Store.WALSoft > 0 {
		size += fmt.Sprintf(", its soft limit is %s", bytes(s.Store.WALSoft))
	}
	f := finding{weight: 0.9, who: []string{r.Name}, summary: fmt.Sprintf("the %s session %s holds a snapshot since %s; %s", r.Lane, named(r.Name), short(r.Age), size)}
	if s.Alert.Rule == "DiskFullIn24h" && s.Store.WALUsed < s.Store.WALCap/2 {
		f.weight = 0.1 // what it holds up is not what fills the disk
	}
	f.evidence = []string{fmt.Sprintf("session %d is %s in: %s", r.ID, r.State, shortened(r.Query))}
	if n := s.pins(); n > 0 {
		f.evidence = append(f.evidence, fmt.Sprintf("%.0f checkpoints could not be completed, because a reader was in the way", n))
	}
	f.advice = []string{fmt.Sprintf("engine kill %d ends it", r.ID), "close rows as soon as they are read; read in smaller pieces; a View that waits for something else holds its snapshot"}
	return f
}

func foreignReader(s *scene) finding {
	o := s.Store.Snapshot
	if !o.Foreign || o.Age < oldSnapshot {
		return not("no reader of another program is known to be in the way")
	}
	f := finding{weight: 0.95, summary: fmt.Sprintf("a reader of another program has kept the log from being reset for %s; the log holds %s", short(o.Age), bytes(s.Store.WALUsed)),
		advice: []string{"find it: lsof or fuser on the database's -shm file", "end its transaction: a tool that was left open in the middle of a query holds a snapshot, too"}}
	if n := s.pins(); n > 0 {
		f.evidence = []string{fmt.Sprintf("%.0f checkpoints could not be completed", n)}
	}
	return f
}

func poolHeld(s *scene) finding {
	for i := range s.Pools {
		p := &s.Pools[i]
		without := s.without(p.Name)
		if p.Starved == 0 && (p.InUse < p.Most || p.Waiting == 0 && without == 0) {
			continue
		}
		idle, oldest := 0, (*Session)(nil)
		for k := range s.Sessions {
			if x := &s.Sessions[k]; x.Lane == p.Name && x.State == "idle" {
				if idle++; oldest == nil || x.Age > oldest.Age {
					oldest = x
				}
			}
		}
		f := finding{weight: s.shares.slot}
		if s.Alert.Rule == "PoolQueueTimeouts" {
			f.weight = max(f.weight, 0.95)
		}
		f.summary = fmt.Sprintf("all %d connections of the %s lane are held; %d callers wait for one, and %.0f have waited in vain", p.Most, p.Name, max(p.Starved, p.Waiting), without)
		f.evidence = []string{fmt.Sprintf("%d of the sessions that hold them are between two statements or rows", idle)}
		if oldest != nil {
			f.summary += fmt.Sprintf("; the oldest is %s, since %s", named(oldest.Name), short(oldest.Age))
			f.advice, f.who = []string{fmt.Sprintf("engine kill %d ends the oldest", oldest.ID)}, []string{oldest.Name}
		}
		f.advice = append(f.advice, "close rows and Views sooner: do not wait for others while one is open", "or raise "+setting(p.Name)+".connections")
		return f
	}
	return not("there are connections left in every lane")
}

// without is how many callers of a lane waited for a connection in vain.
func (s *scene) without(lane string) (n float64) {
	for k, v := range s.Now.Counts {
		if strings.HasPrefix(k, "refused/"+lane+", ") && strings.HasSuffix(k, ", connections") {
			n += v
		}
	}
	return n
}

// setting is the section of a lane's settings.
func setting(lane string) string {
	if lane == "reader" {
		return "readers"
	}
	return lane
}

// bytes is a size that people read.
func bytes(n float64) string {
	for _, unit := range []struct {
		name string
		size float64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.size {
			return fmt.Sprintf("%.1f %s", n/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%.0f B", n)
}

// shortened is a text that fits into a line.
func shortened(text string) string {
	if text == "" {
		return "no statement yet"
	}
	r := []rune(text)
	if len(r) > 120 {
		return string(r[:119]) + "…"
	}
	return text
}
