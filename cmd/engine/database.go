package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine"
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
	var directory *fs.PathError // a missing directory has one; no flag of ours makes directories
	if !cfg.Create && errors.Is(err, fs.ErrNotExist) && !errors.As(err, &directory) {
		err = fmt.Errorf("%w; `engine exec --create` makes a new database", err)
	}
	return db, err
}

// configure returns the configuration of a database that this program uses: an existing one, traced by the provider of the span in ctx.
func configure(ctx context.Context, url string) engine.Config {
	cfg := engine.DefaultConfig(url)
	cfg.Create = false
	cfg.TracerProvider = oteltrace.SpanFromContext(ctx).TracerProvider()
	return cfg
}
