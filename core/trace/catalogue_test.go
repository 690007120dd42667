package trace_test

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/core/trace"
)

var update = flag.Bool("update", false, "write the tables of docs/observability.md")

const page = "../../docs/observability.md"

// table writes a table as the page has it.
func table(head string, rows []trace.Documented) string {
	var b strings.Builder
	columns := strings.Split(head, "|")
	fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, r := range rows {
		if len(columns) == 2 {
			fmt.Fprintf(&b, "| `%s` | %s |\n", r.Name, r.Meaning)
		} else {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.Name, r.Where, r.Meaning)
		}
	}
	return b.String()
}

// The tables of docs/observability.md are the code's: go test ./core/trace -run TestPage -update writes them.
func TestPage(t *testing.T) {
	t.Parallel()
	read, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(read)
	for name, want := range map[string]string{
		"spans":      table("span|of|what", trace.SpanNames()),
		"events":     table("event|on|what", trace.EventNames()),
		"attributes": table("attribute|on|meaning", trace.Attributes()),
		"drops":      table("reason|meaning", trace.DropReasons()),
	} {
		begin, end := "<!-- trace "+name+" -->\n", "<!-- end -->"
		before, rest, ok := strings.Cut(text, begin)
		have, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("the page has no place for %s", name)
		}
		if have == want {
			continue
		}
		if !*update {
			t.Errorf("table %s is not the code's: go test ./core/trace -run TestPage -update", name)
		}
		text = before + begin + want + end + after
	}
	if *update {
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Every attribute key of names.go is in the catalogue, once, and nothing else is; and so is every reason of a drop.
func TestCatalogueIsComplete(t *testing.T) {
	t.Parallel()
	var listed []string
	for _, a := range trace.Attributes() {
		listed = append(listed, a.Name)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "names.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	keys := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "key") {
			return true
		}
		keys++
		if lit, ok := spec.Values[0].(*ast.CallExpr).Args[0].(*ast.BasicLit); ok {
			if name, _ := strconv.Unquote(lit.Value); !slices.Contains(listed, name) {
				t.Errorf("%s is not in the catalogue", name)
			}
		}
		return true
	})
	if keys == 0 || keys != len(listed) {
		t.Errorf("%d keys, %d in the catalogue", keys, len(listed))
	}
	var reasons []string
	for _, r := range trace.DropReasons() {
		reasons = append(reasons, r.Name)
	}
	if n := reflect.TypeFor[trace.Drops]().NumField(); n != len(reasons) {
		t.Errorf("%d reasons, %d in the catalogue", n, len(reasons))
	}
	for f := range reflect.TypeFor[trace.Drops]().Fields() {
		if !slices.Contains(reasons, f.Name) {
			t.Errorf("drops %s are not in the catalogue", f.Name)
		}
	}
}

// What is sent is in the catalogue.
func TestSentIsDocumented(t *testing.T) {
	t.Parallel()
	k := &sink{}
	f := fly(t, trace.Options{Sink: k})
	ctx, tx := f.StartTx(parent(t.Context(), true), "a", "update")
	work := trace.Work{VMSteps: 1, FullScanSteps: 1, Sorts: 1, AutoIndexes: 1, Reprepares: 1, PluginCalls: 1, PluginTime: time.Second}
	f.Statement(ctx, &trace.Statement{Query: trace.Describe("INSERT INTO t VALUES (1)"), Start: time.Now(), Lane: "a", Class: "b", Batch: 2, Group: 1, Retries: 1, Work: work,
		Waits: trace.Waits{QueueWait: time.Second, SlotWait: time.Second, CommitWait: time.Second}, RowsReturned: 1, RowsChanged: 1, Err: storeError{}})
	f.Plugin(ctx, &trace.PluginCall{Plugin: "a", Version: "b", Table: "c", Rows: 1, Err: errors.New("x")})
	_, end := f.StartCommit(ctx, 1)
	end(trace.CommitEnd{Size: 1, Durable: true, Sync: time.Second})
	tx.End(trace.TxEnd{Err: storeError{}, Outcome: "x", Statements: 1, Retries: 1, Group: 1, GroupSize: 1, QueueWait: time.Second, Hold: time.Second, CommitWait: time.Second,
		PluginCalls: 1, PluginTime: time.Second})
	f.Statement(parent(t.Context(), false), &trace.Statement{Query: trace.Describe("SELECT 1"), Start: time.Now(), Err: storeError{}})
	known, sent := map[string]bool{"engine.link": true}, map[string]bool{"engine.link": true}
	for _, a := range trace.Attributes() {
		known[a.Name] = true
	}
	for _, s := range k.taken(t, f) {
		for _, a := range s.Attributes {
			sent[string(a.Key)] = true
			if !known[string(a.Key)] {
				t.Errorf("%s of %s is not documented", a.Key, s.Name)
			}
		}
	}
	for name := range known {
		if !sent[name] {
			t.Errorf("%s is documented and never sent", name)
		}
	}
}
