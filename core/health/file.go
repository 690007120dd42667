package health

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/tidegate/engine/core/lane"
)

// WAL tells of a write-ahead log that cannot be reset. hard and soft are its limits in bytes.
func WAL(s *lane.Stats, soft, hard int64) Check {
	detail := fmt.Sprintf("%d bytes in use, %d on disk, soft limit %d", s.WAL.Used, s.WAL.Bytes, soft)
	if s.WAL.Used >= hard {
		return Warning("wal", detail, "an old snapshot keeps the log from being reset: see the check snapshot, and engine ps")
	}
	return Good("wal", detail)
}

// Disk tells of a file system that is nearly full: least is how much has to be free, in bytes, 0 for no bound.
func Disk(ctx context.Context, v *Volume, least int64) Check {
	r, answered := v.look(ctx)
	switch {
	case !answered:
		return Warning("disk", "the file system does not say how much of it is free", "look at the volume, and at its network where it lies behind one: a write may hang")
	case !r.known:
		return Good("disk", "how much is free is not known")
	case r.bytes < least:
		return Warning("disk", fmt.Sprintf("%d bytes free, fewer than %d (health.disk_free)", r.bytes, least), "free space on the volume, or archive: a full disk refuses every write")
	}
	return Good("disk", fmt.Sprintf("%d bytes free", r.bytes))
}

// Snapshot tells of a snapshot or a transaction that stays open: limit is how old one may get, 0 for no bound.
func Snapshot(o lane.Oldest, limit time.Duration) Check {
	if o == (lane.Oldest{}) {
		return Good("snapshot", "none is open")
	}
	age := o.Age.Round(time.Millisecond)
	detail, remedy := fmt.Sprintf("the oldest is %v old, of %q in the %s lane", age, cmp.Or(o.Holder, "unnamed"), o.Lane), "find out what it waits for; engine kill ends it"
	if o.Foreign {
		detail = fmt.Sprintf("another program has kept one open for %v: checkpoints stop there", age)
		remedy = "end that program's transaction: lsof or fuser on the database names it"
	}
	if limit > 0 && o.Age > limit {
		return Warning("snapshot", fmt.Sprintf("%s, more than %v (health.snapshot_age)", detail, limit), remedy+"; until then the write-ahead log grows")
	}
	return Good("snapshot", detail)
}

// foreignFor is how long a commit of another program counts.
const foreignFor = time.Minute

// Foreign tells of another program that writes to the database. Rules, idempotency keys and the record of changes know nothing of what it does.
func Foreign(s *lane.FileStats, now time.Time) Check {
	if s.Foreign == 0 {
		return Good("foreign", "no other program has written since the start")
	}
	ago := now.Sub(s.LastForeign)
	detail := fmt.Sprintf("another program has written, or a migration: seen %d times, the last %v ago", s.Foreign, ago.Round(time.Second))
	if ago < foreignFor {
		return Warning("foreign", detail, "stop it, or let it go through engine serve: no rule judges what it writes")
	}
	return Good("foreign", detail)
}
