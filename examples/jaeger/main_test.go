package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// The trade arrives at a collector: its span, the transaction, the statements and the COMMIT, and no value of it.
func TestRun(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got bytes.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if _, err := io.Copy(&got, r.Body); err != nil {
			t.Error(err)
		}
	}))
	defer collector.Close()
	var out strings.Builder
	if err := run(t.Context(), collector.URL+"/v1/traces", &out); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"one-trade", "buy 100 ACME", "TRANSACTION buy", "SELECT cash", "UPDATE cash", "INSERT trades", "COMMIT",
		"UPDATE cash SET cents = cents - ? WHERE account = ?", "engine.tx.outcome", "engine.class"} {
		if !bytes.Contains(got.Bytes(), []byte(want)) {
			t.Errorf("%q never arrived", want)
		}
	}
	if !strings.Contains(out.String(), "/trace/") || bytes.Contains(got.Bytes(), []byte("1000000")) {
		t.Errorf("printed %q, or a value arrived", out.String())
	}
}

// Without a collector the trade is booked all the same; the SDK logs what it could not send.
func TestRunWithoutCollector(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "200")
	var out strings.Builder
	if err := run(t.Context(), gone.URL+"/v1/traces", &out); err != nil || !strings.Contains(out.String(), "booked") {
		t.Errorf("error %v, printed %q", err, out.String())
	}
}
