// Package docs_test runs the code that the pages show.
package docs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tidegate/engine"
)

func pay(ctx context.Context, url string, cents int) (left int64, err error) {
	db, err := engine.Open(ctx, engine.DefaultConfig(url)) // such as sqlite:///production_trading.db
	if err != nil {
		return 0, err
	}
	defer db.Close()
	const schema = "CREATE TABLE IF NOT EXISTS cash (account INTEGER PRIMARY KEY, cents INTEGER CHECK (cents >= 0)) STRICT"
	if _, err := db.Exec(ctx, schema); err != nil {
		return 0, err
	}
	err = db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error { // nil commits; an error or a panic rolls back
		_, err := tx.Exec(ctx, "INSERT INTO cash VALUES (1, 500), (2, 0)")
		if err == nil {
			_, err = tx.Exec(ctx, "UPDATE cash SET cents = cents + ? WHERE account = ?", cents, 2)
		}
		if err == nil {
			_, err = tx.Exec(ctx, "UPDATE cash SET cents = cents - ? WHERE account = ?", cents, 1)
		}
		return err // errors.Is(err, engine.ErrConstraint) when the money does not suffice: then nothing was applied
	}, engine.WithName("pay"))
	if err != nil {
		return 0, err
	}
	err = db.QueryRow(ctx, "SELECT cents FROM cash WHERE account = ?", 1).Scan(&left)
	return left, err
}

func Example() {
	left, err := pay(context.Background(), "sqlite://", 300)
	fmt.Println(left, err)
	_, err = pay(context.Background(), "sqlite://", 501)
	fmt.Println(errors.Is(err, engine.ErrConstraint))
	// Output:
	// 200 <nil>
	// true
}

// The README must show the code that the example above runs, line for line.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) == 0 {
		t.Fatal("README.md shows no Go")
	}
	for _, b := range blocks {
		if !strings.Contains(string(source), b[1]) {
			t.Errorf("README.md shows code that readme_test.go does not run:\n%s", b[1])
		}
	}
}

// Every link of the pages to a file of the project must lead somewhere.
func TestLinks(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	pages = append(pages, filepath.Join("..", "README.md"))
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), filepath.FromSlash(m[1]))); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			}
		}
	}
}
