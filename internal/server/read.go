package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/tidegate/engine"
)

const (
	// held is how much of an answer waits before the first byte is sent. What is smaller has left the database by then.
	held = 256 << 10
	// pieceSize is how much of a larger answer is sent at once.
	pieceSize = 64 << 10
)

// query runs a statement that reads.
func (s *Server) query(e *exchange) error {
	var body single
	if err := s.decode(e.w, e.r, &body); err != nil {
		return err
	}
	if body.SQL == "" {
		return badRequest("sql: there is no statement")
	}
	args, err := arguments(body.Args)
	if err != nil {
		return err
	}
	lines, err := wantsLines(e.r.Header.Get("Accept"))
	if err != nil {
		return err
	}
	out := &sheet{e: e, lines: lines}
	defer out.close()
	err = s.db.View(e.r.Context(), func(ctx context.Context, tx *engine.Tx) error {
		rows, err := tx.Query(ctx, body.SQL, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		return out.fill(rows)
	}, e.terms.options...)
	if errors.Is(err, engine.ErrReadOnly) {
		err = &failure{status: http.StatusForbidden, kind: "read_only", message: "the statement writes, and /v1/query only reads: use /v1/exec"}
	}
	return out.end(err)
}

// sheet writes the rows of an answer, as one document or a line a row.
type sheet struct {
	e     *exchange
	lines bool
	buf   []byte
	count int
	leave func() // of the place among the streams, once part of the answer was sent
}

// fill reads the rows to their end.
func (o *sheet) fill(rows *engine.Rows) error {
	o.buf = appendTexts(append(o.buf, `{"columns":`...), rows.Columns())
	o.buf = appendTexts(append(o.buf, `,"types":`...), rows.DeclTypes())
	if o.lines {
		o.buf = append(o.buf, "}\n"...)
	} else {
		o.buf = append(o.buf, `,"rows":[`...)
	}
	for row, err := range rows.All() {
		if err != nil {
			return err
		}
		if o.count++; o.count > o.e.terms.maxRows {
			o.count--
			return &failure{status: http.StatusRequestEntityTooLarge, kind: "too_many_rows",
				message: "the answer has more than " + strconv.Itoa(o.count) + " rows: read in pieces, or raise Engine-Max-Rows or server.limits.rows"}
		}
		values, err := row.Values()
		if err != nil {
			return err
		}
		if !o.lines && o.count > 1 {
			o.buf = append(o.buf, ",\n"...)
		}
		o.buf = appendRow(o.buf, values, o.e.terms.bigAsText)
		if o.lines {
			o.buf = append(o.buf, '\n')
		}
		if err := o.spill(); err != nil {
			return err
		}
	}
	return nil
}

// spill sends what has been written once it is enough. From the first time on the answer is a stream, which has a place of its own.
func (o *sheet) spill() error {
	switch {
	case o.leave == nil && len(o.buf) < held, o.leave != nil && len(o.buf) < pieceSize:
		return nil
	case o.leave == nil:
		leave, err := enter(o.e.s.gates.streams[o.e.terms.class], "too many large answers of this class are being sent (server.limits.streams)")
		if err != nil {
			return err
		}
		o.leave = leave
		o.e.head(http.StatusOK, o.media())
	}
	o.e.piece(o.buf)
	_ = o.e.rc.Flush() // a failure shows with the next piece
	o.buf = o.buf[:0]
	return nil
}

func (o *sheet) media() string {
	if o.lines {
		return "application/x-ndjson"
	}
	return "application/json"
}

// end completes the answer. Where part of it was sent the error has to come at its end: a client that finds neither "end" nor
// "count" there, or finds "error", has no whole answer.
func (o *sheet) end(err error) error {
	if err != nil && o.leave == nil {
		return err
	}
	switch {
	case err != nil && o.lines:
		o.buf = failureOf(err).appendTo(append(o.buf, `{"error":`...))
		o.buf = append(o.buf, "}\n"...)
	case err != nil:
		o.buf = failureOf(err).appendTo(append(o.buf, `],"error":`...))
		o.buf = append(o.buf, "}\n"...)
	case o.lines:
		o.buf = strconv.AppendInt(append(o.buf, `{"end":{"rows":`...), int64(o.count), 10)
		o.buf = append(o.buf, "}}\n"...)
	default:
		o.buf = strconv.AppendInt(append(o.buf, `],"count":`...), int64(o.count), 10)
		o.buf = append(o.buf, "}\n"...)
	}
	if o.leave == nil {
		o.e.head(http.StatusOK, o.media())
	}
	o.e.piece(o.buf)
	return nil
}

// close gives the place among the streams back.
func (o *sheet) close() {
	if o.leave != nil {
		o.leave()
	}
}
