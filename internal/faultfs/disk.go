package faultfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Disk is what a disk holds while a log of events is replayed, with all that it still may lose. The zero value is an empty folder. Not
// safe for concurrent use.
//
// What was synced stays. Of what was written since, a power cut leaves all, nothing, or any part in any order, torn at sectors. The names
// of a folder are as the disk's journal has them: an ordered prefix of the changes since the folder was synced. After a sync that failed,
// what it was for is lost for good, though it can still be read until the power cut.
type Disk struct {
	files []*content
	names map[string]int // durable
	dirty []Event        // changes of names that are not
}

type content struct {
	durable []byte
	now     []byte  // what a reader sees before the power cut
	dirty   []Event // changes since the last sync
}

// Loss is what a power cut takes of what is not synced.
type Loss uint8

// The losses.
const (
	LoseNothing Loss = iota
	LoseAll
	LoseSome // and shuffles and tears the rest
)

const sector = 512

// Apply replays one event.
func (d *Disk) Apply(e Event) {
	switch e.Kind {
	case Created:
		for len(d.files) <= e.File {
			d.files = append(d.files, &content{})
		}
		d.dirty = append(d.dirty, e)
	case Deleted:
		d.dirty = append(d.dirty, e)
		if e.Dir {
			d.syncNames()
		}
	case Synced:
		f := d.files[e.File]
		for _, w := range f.dirty {
			f.durable = change(f.durable, w)
		}
		f.dirty = nil
		if e.Dir {
			d.syncNames()
		}
	case SyncFailed:
		d.files[e.File].dirty = nil // still to be read, never to be durable
	case Written, Truncated, Grown:
		f := d.files[e.File]
		f.now = change(f.now, e)
		f.dirty = append(f.dirty, e)
	}
}

func (d *Disk) syncNames() {
	d.names, d.dirty = d.after(len(d.dirty)), nil
}

// after is the folder with the first n changes of names.
func (d *Disk) after(n int) map[string]int {
	names := maps.Clone(d.names)
	if names == nil {
		names = map[string]int{}
	}
	for _, e := range d.dirty[:n] {
		if e.Kind == Created {
			names[e.Name] = e.File
		} else {
			delete(names, e.Name)
		}
	}
	return names
}

// Dirty tells whether a power cut now could lose anything.
func (d *Disk) Dirty() bool {
	return len(d.dirty) > 0 || slices.ContainsFunc(d.files, func(f *content) bool { return len(f.dirty) > 0 })
}

// Image is the folder after a power cut at this moment: contents by name. It shares nothing with the Disk.
func (d *Disk) Image(loss Loss, rnd *rand.Rand) map[string][]byte {
	kept := 0
	switch loss {
	case LoseNothing:
		kept = len(d.dirty)
	case LoseSome:
		kept = rnd.IntN(len(d.dirty) + 1)
	}
	names := d.after(kept)
	image := make(map[string][]byte, len(names))
	for _, name := range slices.Sorted(maps.Keys(names)) { // in order, so that a seed repeats the image
		f := d.files[names[name]]
		switch loss {
		case LoseNothing:
			image[name] = slices.Clone(f.now)
		case LoseAll:
			image[name] = slices.Clone(f.durable)
		default:
			image[name] = f.some(rnd)
		}
	}
	return image
}

// some keeps a random part of what was not synced. Writes swap places with writes; a change of size keeps its place among them, because
// file systems log sizes in order.
func (f *content) some(rnd *rand.Rand) []byte {
	data := slices.Clone(f.durable)
	keep := []float64{0.1, 0.5, 0.9}[rnd.IntN(3)]
	var batch []Event
	flush := func() {
		rnd.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
		for _, e := range batch {
			data = torn(data, e, rnd)
		}
		batch = batch[:0]
	}
	for _, e := range f.dirty {
		if rnd.Float64() >= keep {
			continue
		}
		if e.Kind == Written {
			batch = append(batch, e)
			continue
		}
		flush()
		data = change(data, e)
	}
	flush()
	return data
}

// torn applies a write, of which one in four keeps only some of its sectors. What lies past the old end of the file and did not arrive
// reads as zeros, as after the size was logged and the data was not.
func torn(data []byte, e Event, rnd *rand.Rand) []byte {
	if rnd.IntN(4) > 0 {
		return change(data, e)
	}
	data = change(data, Event{Kind: Grown, Offset: e.Offset + int64(len(e.Data))})
	for from := 0; from < len(e.Data); {
		next := min(len(e.Data), from+sector-int((e.Offset+int64(from))%sector))
		if rnd.IntN(2) == 0 {
			copy(data[e.Offset+int64(from):], e.Data[from:next])
		}
		from = next
	}
	return data
}

// change applies an event to the contents of a file.
func change(data []byte, e Event) []byte {
	size := e.Offset
	if e.Kind == Written {
		size += int64(len(e.Data))
	}
	if e.Kind == Truncated && size < int64(len(data)) {
		return data[:size]
	}
	if grow := size - int64(len(data)); grow > 0 {
		data = append(data, make([]byte, grow)...)
	}
	if e.Kind == Written {
		copy(data[e.Offset:], e.Data)
	}
	return data
}
