package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/config"
)

// defaultDatabase is what is opened when neither --db nor ENGINE_DB says otherwise.
const defaultDatabase = "sqlite:///production_trading.db"

// databaseFlag adds --db to a verb's flags.
func databaseFlag(f *flag.FlagSet) *string {
	url := os.Getenv("ENGINE_DB")
	if url == "" {
		url = defaultDatabase
	}
	return f.String("db", url, "database `URL`: sqlite:///relative.db, sqlite:////absolute.db, file: URI or path (environment: ENGINE_DB)")
}

// openExisting opens a database that has to be there already, unless cfg.Create says otherwise.
func openExisting(ctx context.Context, cfg engine.Config) (*engine.DB, error) {
	db, err := engine.Open(ctx, cfg)
	return db, missing(&cfg, err)
}

// missing adds how a database is made to the error of one that is not there.
func missing(cfg *engine.Config, err error) error {
	var directory *fs.PathError // a missing directory has one; no flag of ours makes directories
	if !cfg.Create && errors.Is(err, fs.ErrNotExist) && !errors.As(err, &directory) {
		err = fmt.Errorf("%w; `engine exec --create` makes a new database", err)
	}
	return err
}

// ruled opens an existing database for a verb that writes: under the settings of its command line, and so under the rules and plug-ins that they name.
// The schema is the business of engine serve and engine migrate, and what a verb has written is on the disk.
func (s *sources) ruled(ctx context.Context, stderr io.Writer, change func(*engine.Config)) (*config.Opened, error) {
	return s.ruledBy(ctx, stderr, nil, change)
}

// ruledBy is ruled with policies besides those of the settings.
func (s *sources) ruledBy(ctx context.Context, stderr io.Writer, more []config.Builtin, change func(*engine.Config)) (*config.Opened, error) {
	settings, err := s.load()
	if err != nil {
		return nil, err
	}
	cfg := &settings.Engine
	cfg.Create, cfg.Migrations, cfg.Writer.Durability = false, nil, engine.Durable
	cfg.Alerts.Evaluate, settings.Alerts = false, config.Alerts{} // a server may be at that, and both would tell
	traceInto(ctx, cfg)
	cfg.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError})) // what a rule refuses, the verb itself says
	change(cfg)
	settings.Plugins.Builtin = append(settings.Plugins.Builtin, more...)
	db, err := settings.Open(ctx)
	return db, missing(cfg, err)
}

// configure returns the configuration of a database that this program uses: an existing one, traced by the provider of the span in ctx.
func configure(ctx context.Context, url string) engine.Config {
	cfg := engine.DefaultConfig(url)
	cfg.Create = false
	traceInto(ctx, &cfg)
	return cfg
}
