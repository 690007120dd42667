package docs_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tidegate/engine"
)

var update = flag.Bool("update", false, "write the tables that are made from the code")

const metricMark = "<!-- made by go test ./docs -run TestMetricTable -update -->\n"

// TestMetricTable holds the table of metrics to the code.
func TestMetricTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("observability-metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	head, _, found := strings.Cut(string(text), metricMark)
	if !found {
		t.Fatal("the mark of the table is gone")
	}
	var b strings.Builder
	b.WriteString(head + metricMark + "\n| metric | in Prometheus | kind | unit | labels | what |\n|---|---|---|---|---|---|\n")
	for _, m := range engine.MetricCatalog() {
		name := "`" + m.PrometheusName() + "`"
		if m.Stored {
			name = "–"
		}
		labels := "–"
		if m.Labels != "" {
			labels = "`" + strings.ReplaceAll(m.Labels, ", ", "` `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", m.Name, name, m.Kind, m.Unit, labels, m.Help)
	}
	if *update {
		if err := os.WriteFile("observability-metrics.md", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if b.String() != string(text) {
		t.Error("the table is not what the code says: go test ./docs -run TestMetricTable -update")
	}
}

// TestDashboards holds the dashboard and the alert rules to the catalogue: a name that is not in it would show nothing and never fire.
func TestDashboards(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"up": true}
	for _, m := range engine.MetricCatalog() {
		name := m.PrometheusName()
		switch m.Kind.String() {
		case "counter":
			known[name+"_total"] = true
		case "gauge":
			known[name] = true
		default:
			known[name+"_bucket"], known[name+"_sum"], known[name+"_count"] = true, true, true
		}
	}
	names := regexp.MustCompile(`\b(?:db_client|engine|sqlite|validation|plugin|telemetry|go)_[a-z_]+\b`)
	labels := regexp.MustCompile(`\b(engine_(?:class|lane|reason|breaker|slow_reason|plugin_name|rule)|db_client_connection_(?:pool_name|state)|error_type|telemetry_item)\b`)
	check := func(where, text string) {
		for _, name := range names.FindAllString(labels.ReplaceAllString(text, ""), -1) {
			if !known[name] {
				t.Errorf("%s: there is no metric %s", where, name)
			}
		}
	}
	board, err := os.ReadFile("grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(board, &d); err != nil || len(d.Panels) < 8 {
		t.Fatalf("%d panels, %v", len(d.Panels), err)
	}
	for _, p := range d.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			check(p.Title, target.Expr)
		}
	}
	rules, err := os.ReadFile("prometheus-rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	exprs := regexp.MustCompile(`(?m)^\s+expr: (.*)$`).FindAllStringSubmatch(string(rules), -1)
	if len(exprs) < 8 {
		t.Errorf("%d rules", len(exprs))
	}
	for _, m := range exprs {
		check("prometheus-rules.yml", m[1])
	}
}
