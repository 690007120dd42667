package shell

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestHistoryKeepsNoValue(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		".param set :code 'hunter2 and more'": ".param set :code",
		".PARAM  set   @x\thunter2":           ".PARAM set @x",
		".para set :x hunter2":                ".para set :x",
		".parm set :x hunter2":                ".parm set :x",
		".param unset :x":                     ".param unset :x",
		".param :x hunter2":                   ".param :x",
		".param set:x hunter2":                ".param set:x",
		".param set :x=hunter2":               ".param set :x",
		".prm set :x hunter2":                 ".prm set :x",
		".plan SELECT * FROM t WHERE a":       ".plan SELECT * FROM t WHERE a",
		".read a b c d":                       ".read a b c d",
	} {
		if got := withoutValues(command); got != want {
			t.Errorf("%s is kept as %q, want %q", command, got, want)
		}
	}
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ lines, want []string }{
		{[]string{"SELECT 1;"}, []string{"SELECT 1;"}},
		{[]string{"SELECT a, -- first", "  b /* x", "y */ FROM t", ";"}, []string{"SELECT a, b FROM t ;"}},
		{[]string{"SELECT 'a  -- b';"}, []string{"SELECT 'a  -- b';"}},
		{[]string{"SELECT 'a", "b';"}, []string{"SELECT 'a", "b';"}},
		{[]string{"-- nothing"}, nil},
	} {
		if got := oneLine(c.lines); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.lines, got, c.want)
		}
	}
}

func TestHistoryFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a", "b", "history")
	h, entries, err := OpenHistory(path)
	if err != nil || entries != nil {
		t.Fatalf("a history that is not there: %q, %v", entries, err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err == nil {
		t.Error("looking made a folder")
	}
	// Two shells at once.
	other, _, err := OpenHistory(path)
	if err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	for name, h := range map[string]*History{"x": h, "y": other} {
		both.Go(func() {
			for i := range 1100 {
				if err := h.Add(fmt.Sprintf("%s %d", name, i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	both.Wait()
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	_, entries, err = OpenHistory(path)
	if err != nil || len(entries) != historyKept || !strings.HasSuffix(entries[historyKept-1], " 1099") {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Count(string(text), "\n") != historyKept {
		t.Errorf("the file was not cut: %d entries, %v", strings.Count(string(text), "\n"), err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("after it was cut: %v, %v", info.Mode(), err)
	}
}

func TestHistoryOfOthers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history")
	if err := os.WriteFile(path, []byte("SELECT 1;\n\n\xff\xfe\nSELECT 2;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, entries, err := OpenHistory(path)
	if err != nil || !slices.Equal(entries, []string{"SELECT 1;", "SELECT 2;"}) {
		t.Errorf("%q, %v", entries, err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("others can read it still: %v, %v", info.Mode(), err)
	}
	if _, _, err := OpenHistory(t.TempDir()); err == nil {
		t.Error("a folder was taken for a history")
	}
}
