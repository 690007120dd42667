package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tidegate/engine"
)

const pluginGuardExamples = `  engine plugin guard trades
  engine plugin guard --lift trades
  engine plugin guard --status trades              # exit code 1 where it is not guarded

Rules are asked by the engine: a program that opens the file by itself passes them by. A guarded table has triggers that call a function of the engine,
so such a program fails with "no such function: _tg_pass". What reads is not touched. plugins.guard names tables that are guarded at every start.
`

func runPluginGuard(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	f := flags("plugin guard", "[flags] TABLE", pluginGuardExamples)
	s := sourceFlags(f, "config")
	lift := f.Bool("lift", false, "let other programs write again")
	status := f.Bool("status", false, "only say whether the table is guarded")
	asJSON := f.Bool("json", false, "print one JSON object")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	table, err := one(positional, "the name of a table")
	if err == nil && *lift && *status {
		err = errors.New("--lift and --status exclude each other")
	}
	if err != nil {
		return misuse(stderr, "engine plugin guard", err)
	}
	db, err := s.bare(ctx)
	if err != nil {
		return failure(stderr, "plugin guard", err)
	}
	defer db.Close()
	switch {
	case *status:
	case *lift:
		err = db.Rules().Unguard(ctx, table)
	default:
		err = db.Rules().Guard(ctx, table)
	}
	there := false
	if err == nil {
		there, err = db.Rules().Guarded(ctx, table)
	}
	if err != nil {
		return failure(stderr, "plugin guard", err)
	}
	text := " is not guarded"
	if there {
		text = " is guarded: other programs cannot write to it"
	}
	if *asJSON {
		err = printObject(stdout, map[string]any{"table": table, "guarded": there})
	} else {
		_, err = fmt.Fprintln(stdout, table+text)
	}
	switch {
	case err != nil:
		return failure(stderr, "plugin guard", err)
	case *status && !there:
		return exitError
	}
	return exitOK
}

const pluginRejectionsExamples = `  engine plugin rejections
  engine plugin rejections --limit 1000 --json | jq 'select(.plugin == "lot-size") | .reason'

module, config and batch are the SHA-256 of what judged and of what was judged, fuel is what it burnt: asked again, the same module gives the same answer.
`

// storedVerdict is what --json prints, a line each.
type storedVerdict struct {
	At      string  `json:"at"`
	Kind    string  `json:"kind"`
	Plugin  string  `json:"plugin"`
	Version string  `json:"version"`
	Rule    uint32  `json:"rule"`
	Op      string  `json:"op"`
	Table   string  `json:"table"`
	Column  string  `json:"column"`
	Row     string  `json:"row"`
	Rows    int     `json:"rows"`
	Reason  string  `json:"reason"`
	Trace   string  `json:"trace"`
	Receipt receipt `json:"receipt"`
}

// receipt is what a decision can be repeated from.
type receipt struct {
	Module string `json:"module"`
	Config string `json:"config"`
	Batch  string `json:"batch"`
	Fuel   int64  `json:"fuel"`
}

func runPluginRejections(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("plugin rejections", "[flags]", pluginRejectionsExamples)
	s := sourceFlags(f, "config")
	limit := f.Int("limit", 20, "how many")
	asJSON := f.Bool("json", false, "print a JSON object a line")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if len(positional) > 0 || *limit < 1 {
		return misuse(stderr, "engine plugin rejections", errors.New("takes no arguments, and --limit at least 1"))
	}
	db, err := s.bare(ctx)
	if err != nil {
		return failure(stderr, "plugin rejections", err)
	}
	defer db.Close()
	list, err := db.Rules().Rejections(ctx, *limit)
	if err == nil {
		err = printRejections(stdout, list, *asJSON)
	}
	if err != nil {
		return failure(stderr, "plugin rejections", err)
	}
	return exitOK
}

func printRejections(w io.Writer, list []engine.Rejection, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		for i := range list {
			r, v := &list[i], &list[i].Verdict
			err := e.Encode(storedVerdict{r.At.UTC().Format(time.RFC3339Nano), r.Kind, v.Plugin, v.Version, v.Rule, v.Op.String(), v.Table, v.Column, v.Key, v.Rows, v.Reason, r.Trace,
				receipt{v.Receipt.Module, v.Receipt.Config, v.Receipt.Batch, v.Receipt.Fuel}})
			if err != nil {
				return err
			}
		}
		return nil
	}
	t := newTable(w, []string{"at", "kind", "plug-in", "rule", "op", "where", "row", "reason"})
	for i := range list {
		r, v := &list[i], &list[i].Verdict
		where := v.Table
		if v.Column != "" {
			where += "." + v.Column
		}
		if err := t.row([]any{r.At.UTC().Format("2006-01-02 15:04:05"), r.Kind, v.Plugin + " " + v.Version, int64(v.Rule), v.Op.String(), where, orDash(v.Key), v.Reason}); err != nil {
			return err
		}
	}
	return t.end()
}
