package shell

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/tidegate/engine/internal/sqltext"
)

// withoutValues is a command as the history keeps it: a value of .param may be a secret. Commands that only look like it lose their end as
// well, because a slip of the finger does not make the value less secret.
func withoutValues(command string) string {
	fields := strings.Fields(command)
	verb := ""
	if len(fields) > 1 {
		verb = strings.ToLower(fields[1])
	}
	if !strings.HasPrefix(strings.ToLower(fields[0]), ".pa") && verb != "set" {
		return command
	}
	most := 2 // the verb was forgotten, or has run into the name
	if verb == "set" || verb == "unset" || verb == "clear" {
		most = 3
	}
	kept := fields[:min(most, len(fields))]
	kept[len(kept)-1], _, _ = strings.Cut(kept[len(kept)-1], "=")
	return strings.Join(kept, " ")
}

// oneLine makes one entry of the lines of a statement, for an editor edits one line. Where a literal holds the end of a line it would be
// another statement then, and the lines stay apart.
func oneLine(lines []string) []string {
	sql := strings.Join(lines, "\n")
	var b strings.Builder
	gap := false
	for at := 0; at < len(sql); {
		to, k, _ := sqltext.Scan(sql, at)
		token := sql[at:to]
		at = to
		if k == sqltext.Blank {
			gap = true
			continue
		}
		if strings.ContainsAny(token, "\n") {
			return lines
		}
		if gap && b.Len() > 0 {
			b.WriteByte(' ')
		}
		gap = false
		b.WriteString(token)
	}
	if b.Len() == 0 {
		return nil
	}
	return []string{b.String()}
}

// The size of the history file, in entries: it is cut to the one when it has grown to the other.
const (
	historyKept = 1000
	historyMost = 2000
)

// History is a file with what was typed, an entry a line, for its owner's eyes alone. Several shells may add to one file.
type History struct{ path string }

// OpenHistory reads the file at path, which need not be there, and returns its latest entries, oldest first. The file and its folder are
// made when something is added.
//
// # Errors
//
// What the operating system says; the history works without its past then.
func OpenHistory(path string) (h *History, entries []string, err error) {
	h = &History{path}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil, nil
	}
	if err != nil {
		return h, nil, fmt.Errorf("history: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return h, nil, fmt.Errorf("history: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for lines.Scan() {
		if line := lines.Text(); line != "" && utf8.ValidString(line) {
			entries = append(entries, line)
		}
	}
	if len(entries) > historyMost {
		entries = entries[len(entries)-historyKept:]
		err = h.rewrite(entries)
	}
	return h, entries[max(0, len(entries)-historyKept):], err
}

// rewrite replaces the file in one step.
func (h *History) rewrite(entries []string) error {
	tmp, err := os.CreateTemp(filepath.Dir(h.path), ".history-*") // CreateTemp makes it 0600
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(strings.Join(entries, "\n") + "\n")
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), h.path)
	}
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

// Add appends an entry, of one line.
func (h *History) Add(entry string) error {
	f, err := os.OpenFile(h.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(h.path), 0o700); err == nil {
			f, err = os.OpenFile(h.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		}
	}
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	_, err = f.WriteString(entry + "\n") // one call: entries of other shells cannot get in between
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}
