package shell

import (
	"errors"
	"os"

	"github.com/peterh/liner"
)

// Terminal is the Editor of a real one.
type Terminal struct {
	state   *liner.State
	history *History // nil: nothing is kept
	warn    func(error)
	edits   bool // the terminal is one in which keys come one by one
}

// NewTerminal prepares the terminal that the process has, for the entries of a history; both history and entries may be nil. warn is told
// what goes wrong with the history, once. The caller must call Close, whatever happens, or the terminal stays as it is not used to.
func NewTerminal(history *History, entries []string, warn func(error)) *Terminal {
	t := &Terminal{state: liner.NewLiner(), history: history, warn: warn, edits: liner.TerminalSupported()}
	t.Interrupts(false)
	t.state.SetCtrlCAborts(true)
	t.state.SetMultiLineMode(true)
	t.state.SetTabCompletionStyle(liner.TabPrints)
	for _, e := range entries {
		t.state.AppendHistory(e)
	}
	return t
}

// Complete sets what the Tab key asks.
func (t *Terminal) Complete(f func(line string, pos int) (head string, candidates []string, tail string)) {
	t.state.SetWordCompleter(f)
}

// Line implements Editor.
func (t *Terminal) Line(prompt string) (string, error) {
	line, err := t.state.Prompt(prompt)
	if errors.Is(err, liner.ErrPromptAborted) {
		return "", ErrAborted
	}
	return line, err
}

// Interrupts implements Editor. The library does the same, but only from after it has shown a prompt to the end of the line: a Ctrl-C in
// between would be a signal that nobody waits for, and the line that a person gave up would go on.
func (t *Terminal) Interrupts(signal bool) {
	if t.edits {
		interruptKey(os.Stdin, signal)
	}
}

// Remember implements Editor.
func (t *Terminal) Remember(entry string) {
	t.state.AppendHistory(entry)
	if t.history == nil {
		return
	}
	if err := t.history.Add(entry); err != nil {
		t.history = nil
		t.warn(err)
	}
}

// Close gives the terminal back as it was. It may be called while Line runs.
func (t *Terminal) Close() error { return t.state.Close() }
