package abi

// Version is the major version of the ABI, which the name of ExportMarker carries.
const Version = 1

// Names of exports. Hooks have the type (i32, i32) → i64.
const (
	ExportMarker     = "tg_abi_1"
	ExportMemory     = "memory"
	ExportInitialize = "_initialize"
	ExportFeatures   = "tg_features"
	ExportAlloc      = "tg_alloc"
	ExportConfigure  = "tg_configure"
	ExportValidate   = "tg_validate"
	ExportRetain     = "tg_retain"
	ExportNotify     = "tg_notify"
)

// Modules that a guest may import from.
const (
	ImportModule     = "tg"
	ImportWASI       = "wasi_snapshot_preview1"
	ReservedModule   = "__tg"  // the host's own; a guest that imports from it is refused
	ReservedPrefix   = "__tg_" // of export names; likewise
	MarkerNamePrefix = "tg_abi_"
)

// Capabilities, which are the names of the functions of ImportModule.
const (
	CapLog       = "log"
	CapMetricAdd = "metric_add"
	CapNow       = "now"
	CapLookup    = "lookup"
	CapKVGet     = "kv_get"
	CapKVPut     = "kv_put"
	CapOutboxPut = "outbox_put"
)

// Capabilities lists every capability of this version.
func Capabilities() []string {
	return []string{CapLog, CapMetricAdd, CapNow, CapLookup, CapKVGet, CapKVPut, CapOutboxPut}
}

// Features of a host, bits of tg_features. There are none yet: version 1 has no optional part.
const HostFeatures uint64 = 0

// Limits of the layouts. A host may be stricter, never laxer.
const (
	MaxBatch   = 64 << 20 // bytes of a batch
	MaxColumns = 2000     // columns of a batch; as many as a table of SQLite has
	MaxBlock   = 64 << 10 // bytes of a result block
	MaxMessage = 256      // bytes of a message
)

// Status numbers that functions of ImportModule return instead of a length.
const (
	StatusNone    int64 = -1 // there is no such key or row
	StatusRefused int64 = -2 // over a quota or a limit, or an endpoint that is not on the list
	StatusInvalid int64 = -3 // the arguments are not what the ABI says
)

// Levels of the log import.
const (
	LevelDebug uint32 = iota
	LevelInfo
	LevelWarning
	LevelError
)

// AlertColumns are the columns of a batch of op notify, in their order: a number that stays the same for one alert, the name of the rule, "firing" or
// "resolved", a Severity, a line, a text, what was measured or NULL, the instant in nanoseconds since 1970; the labels as lines "key=value", the instant at
// which it began, the limit, the unit of both numbers; a word for the cause, an explanation for people, and the diagnosis as a JSON object, each empty where
// there is none. A later minor version may add columns at the end.
func AlertColumns() []string {
	return []string{"id", "rule", "state", "severity", "title", "body", "value", "at", "labels", "since", "limit", "unit", "cause", "explanation", "diagnosis"}
}
