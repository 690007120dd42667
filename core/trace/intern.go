package trace

import (
	"sync"
	"sync/atomic"
)

// intern gives each of a few strings a number, so that a record of the ring holds a byte instead of a pointer that the garbage collector
// has to follow. Looking a known string up takes no lock and no allocation. Number 0 is "".
type intern struct {
	mu   sync.Mutex
	list atomic.Pointer[[]string]
}

// beyond is the number of all strings that found no place any more, and what they are called.
const (
	beyond     = 255
	beyondName = "other"
	maxName    = 128
)

func newIntern(known ...string) *intern {
	n := new(intern)
	list := append([]string{""}, known...)
	n.list.Store(&list)
	return n
}

// code returns the number of s.
func (n *intern) code(s string) uint8 {
	if s == "" {
		return 0
	}
	for i, known := range *n.list.Load() {
		if known == s {
			return uint8(i)
		}
	}
	return n.add(s)
}

// add gives s a number, where one is left.
func (n *intern) add(s string) uint8 {
	if len(s) > maxName {
		s = s[:maxName]
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	old := *n.list.Load()
	for i, known := range old {
		if known == s {
			return uint8(i)
		}
	}
	if len(old) >= beyond {
		return beyond
	}
	list := append(old[:len(old):len(old)], s)
	n.list.Store(&list)
	return uint8(len(list) - 1)
}

// name is the string with that number.
func (n *intern) name(code uint8) string {
	if list := *n.list.Load(); int(code) < len(list) {
		return list[code]
	}
	return beyondName
}
