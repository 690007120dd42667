package bulk

import "time"

// reportEvery is how often progress is told.
const reportEvery = time.Second

// pace tells progress now and then, without reading the clock at each row.
type pace struct {
	tell  func(Progress)
	start time.Time
	last  time.Time
	rows  int64 // at last
	calls uint
}

func newPace(tell func(Progress)) *pace {
	now := time.Now()
	return &pace{tell: tell, start: now, last: now}
}

// report may tell p. done of total says how much of the whole it is.
func (p *pace) report(now Progress, done, total int64) {
	if p.calls++; p.tell == nil || p.calls%256 != 0 {
		return
	}
	p.due(now, done, total)
}

// due tells p if it is time.
func (p *pace) due(now Progress, done, total int64) {
	at := time.Now()
	since := at.Sub(p.last)
	if p.tell == nil || since < reportEvery {
		return
	}
	now.Elapsed = at.Sub(p.start)
	now.PerSecond = float64(now.Rows-p.rows) / since.Seconds()
	if total > 0 {
		now.Part = min(1, float64(done)/float64(total))
	}
	p.last, p.rows = at, now.Rows
	p.tell(now)
}
