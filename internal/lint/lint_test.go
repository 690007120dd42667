package lint_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tidegate/engine/internal/lint"
)

// TestTree is the check itself.
func TestTree(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	paths, err := lint.Files(root)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := lint.Load(os.DirFS(root), paths)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range lint.Check(tree, lint.Exceptions()) {
		t.Error(f)
	}
}
