package deliver

import (
	"strconv"
	"time"

	"github.com/tidegate/engine/core/alert"
)

// routine repeats alerts that go on and sends signs of life, when they are due. What fails is not tried before the next time.
func (l *line) routine(now, next time.Time) (time.Time, bool) {
	if every := l.sink.Heartbeat; every > 0 {
		if !now.Before(l.beat.Add(every)) {
			l.beat = now
			l.pulse(now)
			return next, true
		}
		next = earlier(next, l.beat.Add(every))
	}
	if l.sink.Repeat <= 0 {
		return next, false
	}
	for _, letter := range l.firing() {
		last, known := l.repeated[letter.Alert.ID]
		if !known { // told by a process before this one
			last = letter.Ended
		}
		at := last.Add(l.sink.Repeat)
		if now.Before(at) {
			next = earlier(next, at)
			continue
		}
		l.repeated[letter.Alert.ID] = now
		if l.k.c.StillFiring != nil && !l.k.c.StillFiring(letter.Alert.ID) {
			continue
		}
		l.repeat(letter, now)
		return next, true
	}
	return next, false
}

func (l *line) firing() []Letter {
	letters := l.k.memory.firing(l.sink.Name)
	if l.k.shelf != nil {
		stored, err := l.k.shelf.firing(l.k.ctx, l.sink.Name)
		if err == nil {
			letters = append(letters, stored...)
		}
	}
	going := map[int64]bool{}
	for _, letter := range letters {
		going[letter.Alert.ID] = true
	}
	for id := range l.repeated {
		if !going[id] {
			delete(l.repeated, id)
		}
	}
	return letters
}

func (l *line) repeat(letter Letter, now time.Time) {
	key := letter.Key(l.k.source) + "-" + strconv.FormatInt(now.Unix(), 10)
	r := l.k.attempt(l.k.ctx, l.sink.To, &letter.Alert, key)
	l.judge(r, outcomeRepeated, outcomeFailed)
}

// HeartbeatRule is the name of the rule that signs of life carry: it fires for ever, and what matters is that it does not come any more.
const HeartbeatRule = "Heartbeat"

func (l *line) pulse(now time.Time) {
	a := alert.Alert{Rule: HeartbeatRule, Firing: true, Title: l.k.c.Engine + " is alive", Since: now, At: now,
		Body: "This comes every " + l.sink.Heartbeat.String() + ". When it does not, the engine has ended, or cannot tell of alerts any more."}
	r := l.k.attempt(l.k.ctx, l.sink.To, &a, l.k.source+"-heartbeat-"+strconv.FormatInt(now.Unix(), 10)+"-"+l.sink.Name)
	l.judge(r, outcomeHeartbeat, outcomeUnbeaten)
}

func (l *line) judge(r result, well, ill string) {
	if r.fate == arrived {
		l.breaker.answered()
		l.count(well)
		return
	}
	if l.k.ctx.Err() != nil {
		return
	}
	l.count(ill)
	l.breaker.failed(l.k.c.Clock.Now(), r.hold(), &l.k.c.Patience)
	l.k.c.Log.Warn("a sink was not reached", "sink", l.sink.Name, "reason", r.reason)
}
