package trace

// fifo is a queue of records that keeps its room. Its zero value is empty.
type fifo struct {
	room []record
	head int
	n    int
}

// push adds a record at the end.
func (q *fifo) push(r *record) {
	if q.n == len(q.room) {
		room := make([]record, max(64, 2*len(q.room)))
		for i := range q.n {
			room[i] = q.room[(q.head+i)%len(q.room)]
		}
		q.room, q.head = room, 0
	}
	q.room[(q.head+q.n)%len(q.room)] = *r
	q.n++
}

// pop moves up to n records from the front to the end of into. What they refer to is let go.
func (q *fifo) pop(into []record, n int) []record {
	for range min(n, q.n) {
		at := &q.room[q.head]
		into = append(into, *at)
		*at = record{}
		q.head = (q.head + 1) % len(q.room)
		q.n--
	}
	return into
}
