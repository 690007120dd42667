package sdk

// Validator judges rows ahead of their commit. A row without a verdict is accepted. An error means that the rule could not judge, and is no verdict: the
// rows are then refused, unless the manifest says on_error: allow.
type Validator interface {
	Validate(b *Batch, v *Verdicts) error
}

// Retainer says what becomes of stored rows. A row without an action is kept, and an error keeps all of them.
type Retainer interface {
	Retain(b *Batch, a *Actions) error
}

// Sink passes alerts on; Batch.Alert reads them. An alert without a word counts as delivered, and an error has all of them tried again.
type Sink interface {
	Notify(b *Batch, d *Deliveries) error
}

// Configurer is asked once, before anything else. An error, or a mistake that c has noted, refuses the plug-in: its message should name the key and say what
// would be right.
type Configurer interface {
	Configure(c *Config) error
}

// Exported is what Export returns, so that it can stand in a declaration.
type Exported struct{}
