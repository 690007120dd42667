package sdk

import (
	"errors"
	"strconv"
	"time"
	"unsafe"

	"github.com/tidegate/engine/sdk/abi"
)

// answers collects what a plug-in says, one record a row: of two for the same row the weightier stays. They leave heaviest first, so that what
// does not fit into a block is what matters least.
type answers struct {
	rows, cols int
	weight     func(abi.Action) int
	records    []abi.Record
	place      []int32 // of a row: where its record is, plus 1
	text       []byte  // of the messages
	spans      [][2]int
	err        error
	block      abi.Block
}

// heaviest is the largest weight.
const heaviest = 4

func (a *answers) reset(rows, cols int, weight func(abi.Action) int) {
	for i := range a.records {
		a.place[a.records[i].Row] = 0
	}
	a.rows, a.cols, a.weight, a.err = rows, cols, weight, nil
	a.records, a.text, a.spans = a.records[:0], a.text[:0], a.spans[:0]
}

func (a *answers) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}

func (a *answers) add(row, col int, r abi.Record, message string) {
	if col < 0 {
		col = WholeRow
	}
	switch {
	case row < 0 || row >= a.rows:
		a.fail(errors.New("it judged row " + strconv.Itoa(row) + " of " + strconv.Itoa(a.rows)))
		return
	case col != WholeRow && col >= a.cols:
		a.fail(errors.New("it judged column " + strconv.Itoa(col) + " of " + strconv.Itoa(a.cols)))
		return
	}
	r.Row, r.Col = uint32(row), uint16(col)
	if len(a.place) < a.rows {
		a.place = append(a.place, make([]int32, a.rows-len(a.place))...)
	}
	at := a.place[row]
	if at == 0 {
		a.records, a.spans = append(a.records, abi.Record{}), append(a.spans, [2]int{})
		at = int32(len(a.records))
		a.place[row] = at
	} else if a.weight(r.Action) <= a.weight(a.records[at-1].Action) {
		return
	}
	a.records[at-1], a.spans[at-1] = r, [2]int{}
	message = abi.Cut(message, abi.MaxMessage)
	if len(a.text)+len(message) <= abi.MaxBlock { // no block could hold more
		a.spans[at-1] = [2]int{len(a.text), len(a.text) + len(message)}
		a.text = append(a.text, message...)
	}
}

// encode is the result block; nil for nothing to say.
func (a *answers) encode(kind abi.Kind) []byte {
	if a.err != nil {
		return a.failure(a.err.Error())
	}
	if len(a.records) == 0 {
		return nil
	}
	a.block.Reset()
	for w := heaviest; w > 0; w-- {
		for i := range a.records {
			r := a.records[i]
			if a.weight(r.Action) != w {
				continue
			}
			message := a.text[a.spans[i][0]:a.spans[i][1]]
			r.Message = unsafe.String(unsafe.SliceData(message), len(message)) // the block copies it
			if a.block.Add(r) {
				continue
			}
			if r.Action == abi.Hold || r.Action == abi.Retry { // losing one of these would lose data
				return a.failure("more answers than a result block holds: ask about fewer rows at a time")
			}
			return a.block.Bytes(kind)
		}
	}
	return a.block.Bytes(kind)
}

func (a *answers) failure(message string) []byte {
	a.block.Reset()
	a.block.Add(abi.Record{Col: WholeRow, Severity: Error, Message: message})
	return a.block.Bytes(abi.Failure)
}

// Verdicts takes what a rule says of rows. A row is named once in the end: a rejection outweighs a warning, and of two rejections the first stays. It belongs to
// one goroutine.
type Verdicts struct{ a answers }

func verdictWeight(x abi.Action) int {
	if x == abi.Reject {
		return 2
	}
	return 1
}

// Reject refuses a row, with all of its transaction. col is the column at fault, or WholeRow; code is the rule's own number of the reason; the message is for people and
// says what would be right, in at most 256 bytes.
func (v *Verdicts) Reject(row, col int, code uint32, message string) {
	v.a.add(row, col, abi.Record{Code: code, Action: abi.Reject, Severity: Error}, message)
}

// Warn lets a row pass with a remark, which is logged and counted.
func (v *Verdicts) Warn(row, col int, code uint32, message string) {
	v.a.add(row, col, abi.Record{Code: code, Action: abi.Warn, Severity: Warning}, message)
}

// Len is the number of rows with a verdict.
func (v *Verdicts) Len() int { return len(v.a.records) }

// Actions takes what a policy says of stored rows. A row is named once in the end: hold outweighs keep, keep archive, archive delete, whatever the
// order in which they come. It belongs to one goroutine.
type Actions struct{ a answers }

func actionWeight(x abi.Action) int {
	switch x {
	case abi.Hold:
		return 4
	case abi.Keep:
		return 3
	case abi.Archive:
		return 2
	}
	return 1
}

// Hold keeps a row whatever other policies say.
func (a *Actions) Hold(row int, code uint32, why string) { a.add(row, abi.Hold, code, why) }

// Keep keeps a row, as no word does, with a reason.
func (a *Actions) Keep(row int, code uint32, why string) { a.add(row, abi.Keep, code, why) }

// Archive moves a row out of the live database.
func (a *Actions) Archive(row int, code uint32, why string) { a.add(row, abi.Archive, code, why) }

// Delete removes a row for good.
func (a *Actions) Delete(row int, code uint32, why string) { a.add(row, abi.Delete, code, why) }

func (a *Actions) add(row int, action abi.Action, code uint32, why string) {
	a.a.add(row, WholeRow, abi.Record{Code: code, Action: action}, why)
}

// Deliveries takes what became of alerts. It belongs to one goroutine.
type Deliveries struct{ a answers }

func deliveryWeight(x abi.Action) int {
	switch x {
	case abi.Retry:
		return 3
	case abi.Drop:
		return 2
	}
	return 1
}

// Retry asks for another attempt after a while, in whole seconds.
func (d *Deliveries) Retry(row int, after time.Duration, why string) {
	seconds := max(0, min(int64(after/time.Second), 1<<31))
	d.a.add(row, WholeRow, abi.Record{Action: abi.Retry, Severity: Warning, Aux: uint32(seconds)}, why)
}

// Drop gives an alert up: no attempt can succeed.
func (d *Deliveries) Drop(row int, why string) {
	d.a.add(row, WholeRow, abi.Record{Action: abi.Drop, Severity: Error}, why)
}
