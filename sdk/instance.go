package sdk

import (
	"errors"

	"github.com/tidegate/engine/sdk/abi"
)

// Instance is a plug-in with what its calls share: bytes of the ABI in, bytes of the ABI out. The runtime of a module is one, and so is what a host of
// Go values runs; authors need it only through package sdktest. It serves one goroutine at a time.
type Instance struct {
	plugin     any
	services   Services
	config     *Config
	batch      Batch
	verdicts   Verdicts
	actions    Actions
	deliveries Deliveries
	arguments  abi.Batch
	request    []byte
	answer     []byte // of a query, valid until the next one
	value      []byte // of Get, which hands out a copy
}

// NewInstance makes an instance of a plug-in, which implements at least one of Validator, Retainer and Sink. Services are what it may ask; a module has
// its imports instead.
func NewInstance(plugin any, s Services) *Instance {
	return &Instance{plugin: plugin, services: s}
}

// Hooks says which hooks the plug-in serves, by their names in manifests.
func (in *Instance) Hooks() []string {
	var names []string
	if _, ok := in.plugin.(Validator); ok {
		names = append(names, "validate")
	}
	if _, ok := in.plugin.(Retainer); ok {
		names = append(names, "retain")
	}
	if _, ok := in.plugin.(Sink); ok {
		names = append(names, "notify")
	}
	return names
}

// Configure takes the configuration document of the ABI and returns nil, or a result block of kind error. It keeps nothing of doc.
func (in *Instance) Configure(doc []byte) []byte {
	c, err := parseConfig(string(doc))
	if err == nil {
		err = in.serves(c)
	}
	if p, ok := in.plugin.(Configurer); ok && err == nil {
		if err = p.Configure(c); err == nil {
			err = c.err()
		}
	}
	if err != nil {
		in.config = nil
		return in.verdicts.a.failure(err.Error())
	}
	in.config = c
	in.warm()
	return nil
}

// warm lets the buffers grow to what a few answers need, ahead of the snapshot that a module goes back to: the first rejection would pay for all of that
// with the fuel of its call.
func (in *Instance) warm() {
	const rows = 64
	long := string(make([]byte, abi.MaxMessage/4))
	for _, a := range []*answers{&in.verdicts.a, &in.actions.a, &in.deliveries.a} {
		a.reset(rows, 1, verdictWeight)
		for row := range rows {
			a.add(row, WholeRow, abi.Record{Action: abi.Reject}, long)
		}
		a.encode(abi.Verdicts)
		a.reset(0, 0, verdictWeight)
	}
}

// serves refuses hooks that the plug-in does not have.
func (in *Instance) serves(c *Config) error {
	have := in.Hooks()
next:
	for i := range c.hooks {
		for _, name := range have {
			if name == c.hooks[i].On {
				continue next
			}
		}
		return errors.New("the plug-in does not serve the hook " + c.hooks[i].On + ": take it out of plugin.yaml, or implement it")
	}
	return nil
}

// Call asks about a batch of a hook (validate, retain, notify) at an instant in nanoseconds since 1970, and returns nil for nothing to say, or a result block that is valid
// until the next call. It keeps nothing of raw.
func (in *Instance) Call(on string, raw []byte, at int64) []byte {
	rows, err := abi.Open(raw)
	if err != nil {
		return in.verdicts.a.failure(err.Error())
	}
	switch {
	case in.config == nil:
		return in.verdicts.a.failure("it was asked before it was configured")
	case int64(rows.Schema()) >= int64(len(in.config.hooks)):
		return in.verdicts.a.failure("the batch is of no hook of the manifest")
	}
	h := &in.config.hooks[rows.Schema()]
	if h.On != on || rows.Columns() != len(h.Columns) {
		return in.verdicts.a.failure("the batch is of another hook than it says")
	}
	in.batch = Batch{rows: rows, hook: h, in: in, at: at}
	a, kind, err := in.serve(on)
	in.batch = Batch{}
	if err != nil {
		return in.verdicts.a.failure(err.Error())
	}
	return a.encode(kind)
}

// serve asks the plug-in. Configure has seen that it serves the hook.
func (in *Instance) serve(on string) (*answers, abi.Kind, error) {
	rows, cols := in.batch.rows.Len(), in.batch.rows.Columns()
	switch on {
	case "validate":
		if p, ok := in.plugin.(Validator); ok {
			in.verdicts.a.reset(rows, cols, verdictWeight)
			return &in.verdicts.a, abi.Verdicts, p.Validate(&in.batch, &in.verdicts)
		}
	case "retain":
		if p, ok := in.plugin.(Retainer); ok {
			in.actions.a.reset(rows, cols, actionWeight)
			return &in.actions.a, abi.Actions, p.Retain(&in.batch, &in.actions)
		}
	case "notify":
		if p, ok := in.plugin.(Sink); ok {
			in.deliveries.a.reset(rows, cols, deliveryWeight)
			return &in.deliveries.a, abi.Actions, p.Notify(&in.batch, &in.deliveries)
		}
	}
	return nil, 0, errors.New("the plug-in does not serve the hook " + on)
}
