package server_test

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidegate/engine/internal/server"
)

// Of several processes that start at the same instant one makes the token, and all have the same.
func TestLoadTokenMakesOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	var (
		made   atomic.Int32
		mu     sync.Mutex
		tokens = map[server.Token]bool{}
		wg     sync.WaitGroup
	)
	for range 16 {
		wg.Go(func() {
			token, own, err := server.LoadToken(path)
			if err != nil {
				t.Error(err)
			}
			if own {
				made.Add(1)
			}
			mu.Lock()
			tokens[token] = true
			mu.Unlock()
		})
	}
	wg.Wait()
	if made.Load() != 1 || len(tokens) != 1 || tokens[server.Token{}] {
		t.Errorf("%d made it, %d tokens", made.Load(), len(tokens))
	}
	text, err := os.ReadFile(path)
	if err != nil || !regexp.MustCompile(`^[0-9a-f]{64}\n$`).Match(text) {
		t.Errorf("%q %v", text, err)
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".token-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	other, _, err := server.LoadToken(filepath.Join(t.TempDir(), "token"))
	if err != nil || tokens[other] {
		t.Errorf("two files, one token: %v", err)
	}
}

func TestLoadTokenRefuses(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("s3cret", 10)
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		says string
	}{
		"others can read": {secret, 0o644, "chmod 600"},
		"group can read":  {secret, 0o640, "chmod 600"},
		"empty":           {"", 0o600, "one token"},
		"short":           {"s3cret", 0o600, "43 to 512"},
		"two":             {secret + "\n" + secret, 0o600, "nothing else"},
		"a book":          {strings.Repeat(secret, 100), 0o600, "43 to 512"},
	} {
		if runtime.GOOS == "windows" && c.mode != 0o600 {
			continue
		}
		path := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
		if _, made, err := server.LoadToken(path); err == nil || made || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
		if text, _ := os.ReadFile(path); string(text) != c.text {
			t.Errorf("%s: the file was changed", name)
		}
	}
	if _, _, err := server.LoadToken(filepath.Join(t.TempDir(), "no", "token")); err == nil {
		t.Error("a folder was made")
	}
}
