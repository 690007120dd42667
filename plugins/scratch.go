package plugins

import (
	"bytes"
	"context"

	"github.com/tidegate/engine/sdk/contract"
)

// scratch keeps values in memory, for the tests of a manifest, which have no transaction. One goroutine at a time uses it.
type scratch struct {
	values map[[2]string][]byte
	size   map[string]int
}

var _ contract.Keeper = (*scratch)(nil)

func newScratch() *scratch { return &scratch{map[[2]string][]byte{}, map[string]int{}} }

// Get implements contract.Keeper.
func (s *scratch) Get(_ context.Context, plugin, key string) ([]byte, bool, error) {
	v, ok := s.values[[2]string{plugin, key}]
	return bytes.Clone(v), ok, nil
}

// Put implements contract.Keeper.
func (s *scratch) Put(ctx context.Context, plugin, key string, value []byte, most int) (bool, error) {
	id := [2]string{plugin, key}
	size := s.size[plugin] + contract.KeptSize(key, len(value))
	if was, ok := s.values[id]; ok {
		size -= contract.KeptSize(key, len(was))
	}
	if key == "" || size > most {
		return false, nil
	}
	s.values[id], s.size[plugin] = append([]byte{}, value...), size
	return true, nil
}

// Delete implements contract.Keeper.
func (s *scratch) Delete(_ context.Context, plugin, key string) error {
	id := [2]string{plugin, key}
	if was, ok := s.values[id]; ok {
		s.size[plugin] -= contract.KeptSize(key, len(was))
		delete(s.values, id)
	}
	return nil
}
