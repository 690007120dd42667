package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"

	"github.com/tidegate/engine/config"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/server"
)

var serveVerb = verb{name: "serve", summary: "keep a database open and answer HTTP: probes, and a JSON API with a token", run: runServe}

const serveExamples = `  engine serve --trading
  engine serve --config /etc/tidegate/engine.yaml
  engine serve --db sqlite:////var/lib/desk/production_trading.db --listen unix:/run/tidegate/engine.sock
  curl -H "Authorization: Bearer $(cat production_trading.db.token)" -H "Content-Type: application/json" \
    -d '{"sql":"SELECT symbol FROM instruments WHERE instrument_id = ?","args":[7]}' http://127.0.0.1:7420/v1/query

It stops on SIGINT and SIGTERM: /readyz turns red, the port is closed, requests under way end, then the database is closed. docs/serve.md
describes the API, docs/configuration.md the settings.
`

func runServe(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("serve", "[flags]", serveExamples)
	s := sourceFlags(f, "config")
	s.alias(f, "listen", "server.listen", "where to listen: `address`, host:port or unix:/path")
	s.alias(f, "token-file", "server.token_file", "`file` with the bearer token; it is made when it is missing")
	trading := f.Bool("trading", false, "bring the shipped trading schema up to date first")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if len(positional) > 0 {
		return misuse(stderr, "engine serve", errors.New("takes no arguments: name the database with --db"))
	}
	if *trading {
		s.flags = append(s.flags, config.Flag{Name: "--trading", Key: "migrations", Value: "trading"})
	}
	settings, err := s.load()
	if err != nil {
		return failure(stderr, "serve", err)
	}
	if err := serve(ctx, settings, stderr); err != nil {
		return failure(stderr, "serve", err)
	}
	return exitOK
}

// serve runs until ctx ends. The port comes first: a second server that is started by mistake must not touch the database.
func serve(ctx context.Context, settings *config.Settings, stderr io.Writer) (err error) {
	path, err := tokenPath(settings)
	if err != nil {
		return err
	}
	l, err := server.Listen(settings.Server)
	if err != nil {
		return err
	}
	defer l.Close()
	token, made, err := server.LoadToken(path)
	if err != nil {
		return err
	}
	cfg := settings.Engine
	traceInto(ctx, &cfg)
	cfg.Logger = slog.New(slog.NewTextHandler(stderr, nil))
	meter, err := meterFor(ctx, settings, cfg.Logger)
	if err != nil {
		return err
	}
	if meter != nil {
		cfg.MeterProvider = meter
		defer settle(meter.Shutdown) // after the database, whose last interval it sends
	}
	settings.Engine = cfg
	db, err := settings.Open(ctx)
	if err != nil {
		if made {
			err = errors.Join(err, os.Remove(path)) // for a server that never was
		}
		return err
	}
	defer func() {
		if meter != nil {
			settle(meter.ForceFlush) // what is observed of a database that is closed is nothing
		}
		err = errors.Join(err, db.Close())
	}()
	s, err := server.New(db.DB, settings.Server, token)
	if err != nil {
		return err
	}
	s.Manage(db.Plugins)
	scheme := "http"
	if settings.Server.TLS.Cert != "" {
		scheme = "https"
	}
	cfg.Logger.Info("serving", "address", address(scheme, l), "database", settings.Engine.URL, "token_file", path, "token_made", made)
	supervisor := os.Getenv("NOTIFY_SOCKET")
	if err := notify(supervisor, "READY=1"); err != nil {
		cfg.Logger.Warn("the service manager was not told", "error", err)
	}
	stopped := context.AfterFunc(ctx, func() { _ = notify(supervisor, "STOPPING=1") }) // it sees the end in any case
	defer stopped()
	return s.Serve(ctx, l)
}

// settle gives an exporter its time at the end. What it cannot send it has said in the log.
func settle(f func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	_ = f(ctx)
}

// errNoTokenFile says that nothing says where the token would be.
var errNoTokenFile = errors.New("server.token_file: a database in memory has no file to put the token beside: name one with --token-file")

// tokenPath is where the token lies: beside the database, where nothing else is said.
func tokenPath(settings *config.Settings) (string, error) {
	loc, err := sqlite.ParseURL(settings.Engine.URL)
	if err != nil {
		return "", err
	}
	path := settings.Server.TokenFile
	if path == "" && loc.Memory {
		return "", errNoTokenFile
	}
	return cmp.Or(path, loc.Path+".token"), nil
}

// address is what a client is given.
func address(scheme string, l net.Listener) string {
	if l.Addr().Network() == "unix" {
		return "unix:" + l.Addr().String()
	}
	return scheme + "://" + l.Addr().String()
}

// notify tells systemd, or who else speaks its protocol, what the process is doing. socket is NOTIFY_SOCKET, "" where nobody wants to know.
func notify(socket, state string) error {
	if socket == "" {
		return nil
	}
	c, err := net.Dial("unixgram", socket)
	if err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	_, err = io.WriteString(c, state)
	return errors.Join(err, c.Close())
}
