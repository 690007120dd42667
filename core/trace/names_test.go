package trace_test

import (
	"testing"
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.39.0"

	"github.com/tidegate/engine/core/trace"
)

// The names are written out in this package; the generated ones say whether they are right.
func TestConventionNames(t *testing.T) {
	t.Parallel()
	if trace.SchemaURL != semconv.SchemaURL {
		t.Errorf("schema %s, want %s", trace.SchemaURL, semconv.SchemaURL)
	}
	p := &provider{sample: true}
	trace.New(p, "x").Statement(t.Context(), &trace.Statement{
		Query: trace.Describe("SELECT a FROM t"), Start: time.Now(), Batch: 2, RowsReturned: 1, Err: storeError{},
	})
	s := p.find(t, "SELECT t")
	for _, key := range []string{
		string(semconv.DBSystemNameKey), string(semconv.DBNamespaceKey), string(semconv.DBQueryTextKey), string(semconv.DBQuerySummaryKey),
		string(semconv.DBOperationNameKey), string(semconv.DBCollectionNameKey), string(semconv.DBOperationBatchSizeKey),
		string(semconv.DBResponseReturnedRowsKey), string(semconv.DBResponseStatusCodeKey), string(semconv.ErrorTypeKey),
	} {
		if s.attribute(key) == "(none)" {
			t.Errorf("no attribute %s", key)
		}
	}
	if got, want := s.attribute(string(semconv.DBSystemNameKey)), semconv.DBSystemNameSQLite.Value.AsString(); got != want {
		t.Errorf("system %q, want %q", got, want)
	}
}
