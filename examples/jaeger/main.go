// The jaeger example books one trade and shows its trace in Jaeger: the program's own span, the transaction and its statements below it, and the
// COMMIT that made it durable. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/tidegate/engine"
)

func main() {
	if err := run(context.Background(), "http://127.0.0.1:4318/v1/traces", os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run books a trade, sends its trace to the collector at url, and says where to look.
func run(ctx context.Context, url string, out io.Writer) (err error) {
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(url))
	if err != nil {
		return err
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "one-trade"))))
	defer func() { err = errors.Join(err, provider.Shutdown(context.WithoutCancel(ctx))) }()

	dir, err := os.MkdirTemp("", "one-trade-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cfg := engine.DefaultConfig(filepath.Join(dir, "trades.db"))
	cfg.TracerProvider = provider
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }() // before the provider: the last spans are still made
	for _, sql := range []string{
		"CREATE TABLE cash (account INTEGER PRIMARY KEY, cents INTEGER NOT NULL CHECK (cents >= 0))",
		"CREATE TABLE trades (id INTEGER PRIMARY KEY, account INTEGER NOT NULL, symbol TEXT NOT NULL, qty INTEGER NOT NULL, cents INTEGER NOT NULL)",
		"INSERT INTO cash VALUES (1, 1000000)",
	} {
		if _, err := db.Exec(ctx, sql); err != nil {
			return err
		}
	}
	ctx, span := provider.Tracer("one-trade").Start(ctx, "buy 100 ACME")
	defer span.End()
	if err := buy(ctx, db, 1, "ACME", 100, 4711); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "booked; its trace: http://127.0.0.1:16686/trace/%s\n", span.SpanContext().TraceID())
	return err
}

// buy takes the money and notes the trade, or does neither.
func buy(ctx context.Context, db *engine.DB, account int64, symbol string, qty, cents int64) error {
	return db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
		var have int64
		if err := tx.QueryRow(ctx, "SELECT cents FROM cash WHERE account = ?", account).Scan(&have); err != nil {
			return err
		}
		if have < qty*cents {
			return errors.New("not enough cash")
		}
		if _, err := tx.Exec(ctx, "UPDATE cash SET cents = cents - ? WHERE account = ?", qty*cents, account); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO trades (account, symbol, qty, cents) VALUES (?, ?, ?, ?)", account, symbol, qty, cents)
		return err
	}, engine.WithName("buy"), engine.WithClass(engine.ClassTrade))
}
