package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/alert/deliver"
	"github.com/tidegate/engine/internal/sidecar"
)

const alertTestExamples = `  engine alert test                                # every sink of the running server
  engine alert test --sink pager

The alert says that it is a test, and so does the word that it is over. It exits with 1 where a sink did not take it.
`

func runAlertTest(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("alert test", "[--sink NAME] [flags]", alertTestExamples)
	s := remoteFlags(f)
	sink := f.String("sink", "", "this sink alone")
	asJSON := f.Bool("json", false, "print one JSON object")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if len(positional) > 0 {
		return misuse(stderr, "engine alert test", errors.New("takes no arguments: --sink names a sink"))
	}
	server, err := s.connect()
	if err != nil {
		return failure(stderr, "alert test", err)
	}
	server.client.Timeout = time.Minute // sinks may take their time to answer
	var got struct {
		Answers []engine.AlertTrial `json:"answers"`
	}
	if err := server.call(ctx, "/v1/alerts/test", map[string]string{"sink": *sink}, &got); err != nil {
		return failure(stderr, "alert test", err)
	}
	failed := 0
	var b strings.Builder
	for _, a := range got.Answers {
		word := "ok"
		if !a.OK {
			word = "FAILED"
			failed++
		}
		fmt.Fprintf(&b, "%-6s %s in %v: %s\n", word, a.Sink, rounded(a.Took), a.Answer)
	}
	if *asJSON {
		err = writeJSON(stdout, got)
	} else {
		_, err = io.WriteString(stdout, printableLines(b.String()))
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d of %d sinks did not take the test", failed, len(got.Answers))
	}
	return ended(stderr, "alert test", err)
}

const alertDeadExamples = `  engine alert dead
  engine alert dead --resend 17                    # the numbers are in the list
  engine alert dead --resend 0                     # all of them
  engine alert dead --stored --db sqlite:////var/lib/desk/production_trading.db
`

func runAlertDead(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("alert dead", "[flags]", alertDeadExamples)
	s := remoteFlags(f)
	resend := f.Int64("resend", -1, "have the letter of this `number` delivered after all, 0 every one")
	stored := f.Bool("stored", false, "read the telemetry database and ask no server")
	asJSON := f.Bool("json", false, "print one JSON object")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if given(f, "resend") && *resend < 0 {
		return misuse(stderr, "engine alert dead", errors.New("--resend wants the number of a letter, or 0 for every one"))
	}
	if len(positional) > 0 || *resend >= 0 && *stored {
		return misuse(stderr, "engine alert dead", errors.New("takes no arguments, and --resend asks a running server"))
	}
	if *resend >= 0 {
		return ended(stderr, "alert dead", resendLetters(ctx, s, *resend, stdout))
	}
	letters, err := deadLetters(ctx, s, *stored)
	switch {
	case err != nil:
		return failure(stderr, "alert dead", err)
	case *asJSON:
		return ended(stderr, "alert dead", writeJSON(stdout, map[string]any{"dead": letters}))
	}
	var b strings.Builder
	if len(letters) == 0 {
		b.WriteString("no dead letters\n")
	}
	for _, l := range letters {
		state := "begins"
		if !l.Alert.Firing {
			state = "is over"
		}
		fmt.Fprintf(&b, "%d  %s: %s%s %s, noted %s, given up %s after %d attempts: %s\n", l.ID, l.Sink, l.Alert.Rule, labelText(l.Alert.Labels), state, l.Queued.Local().Format(time.DateTime),
			l.Ended.Local().Format(time.DateTime), l.Attempts, l.Reason)
	}
	_, err = io.WriteString(stdout, printableLines(b.String()))
	return ended(stderr, "alert dead", err)
}

func deadLetters(ctx context.Context, s *sources, stored bool) ([]engine.AlertLetter, error) {
	if stored {
		file, err := telemetryFile(ctx, s, sidecar.OpenReadOnly)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		letters, err := deliver.ListDead(ctx, file, 100)
		if err != nil {
			return nil, unknownTables(err)
		}
		return letters, nil
	}
	server, err := s.connect()
	if err != nil {
		return nil, fmt.Errorf("%w; --stored reads what a server has left", err)
	}
	var got struct {
		Dead []engine.AlertLetter `json:"dead"`
	}
	err = server.call(ctx, "/v1/alerts/sinks", nil, &got)
	return got.Dead, err
}

func resendLetters(ctx context.Context, s *sources, id int64, stdout io.Writer) error {
	server, err := s.connect()
	if err != nil {
		return err
	}
	var got struct{ Resent int }
	if err := server.call(ctx, "/v1/alerts/resend", map[string]int64{"id": id}, &got); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%d letters are on their way again\n", got.Resent)
	return err
}
