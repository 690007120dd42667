package builtin

import (
	"math"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/sdk"
)

// Caps of what one call may keep and count, as those of a module.
const (
	maxKey       = 256
	maxValue     = 64 << 10
	maxMetricAdd = 1000
)

// add counts for the plug-in.
func (in *instance) add(name string, delta float64) {
	if in.counted++; in.counted > maxMetricAdd || math.IsNaN(delta) || math.IsInf(delta, 0) {
		return
	}
	in.unit.services.Count(in.ctx, in.unit.m, name, delta)
}

// keeps is where values are kept; an error says why they are not.
func (in *instance) keeps(key string, size int) (plugins.KV, error) {
	if key == "" || len(key) > maxKey || size > maxValue {
		return nil, sdk.ErrInvalid
	}
	kv := in.unit.services.Keep(in.ctx, in.unit.m)
	if kv == nil {
		return nil, sdk.ErrRefused
	}
	return kv, in.count()
}

func (in *instance) get(key string) ([]byte, bool, error) {
	kv, err := in.keeps(key, 0)
	if err != nil {
		return nil, false, err
	}
	v, ok, err := kv.Get(in.ctx, in.unit.m.Name, key)
	in.check(err)
	return v, ok, nil
}

func (in *instance) put(key string, value []byte) (bool, error) {
	kv, err := in.keeps(key, len(value))
	if err != nil {
		return false, err
	}
	ok, err := kv.Put(in.ctx, in.unit.m.Name, key, value)
	in.check(err)
	return ok, nil
}

func (in *instance) remove(key string) error {
	kv, err := in.keeps(key, 0)
	if err != nil {
		return err
	}
	in.check(kv.Delete(in.ctx, in.unit.m.Name, key))
	return nil
}

// check ends a call whose host has failed.
func (in *instance) check(err error) {
	if err != nil {
		in.failed = err
		panic(errService)
	}
}
