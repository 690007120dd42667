package plugins

import (
	"errors"
	"fmt"

	"github.com/tidegate/engine/sdk/contract"
)

// Sentinels of this package. A returned error matches at most one.
var (
	// ErrFault says that a plug-in failed: *[Fault] says which and how.
	ErrFault = contract.ErrFault
	// ErrQuarantined says that a plug-in is out of service after too many faults, until an operator acts: *[QuarantineError].
	ErrQuarantined = contract.ErrQuarantined
	// ErrManifest says that a manifest is wrong: *[ManifestError] lists every mistake.
	ErrManifest = errors.New("plugins: invalid manifest")
	// ErrState says that a plug-in is not in the state that a call needs, or is not known.
	ErrState = errors.New("not possible now")
)

// FaultKind says how a plug-in failed.
type FaultKind uint8

// Kinds of faults. All but FaultLoad and FaultDenied happen while a batch is judged.
const (
	FaultLoad        FaultKind = 1 + iota // the module is not what its manifest says, does not compile, or does not start
	FaultDenied                           // it asks for what the manifest does not grant
	FaultFuel                             // it ran for longer than its fuel lasts
	FaultDeadline                         // it ran for longer than its wall-clock time
	FaultStack                            // its calls were nested too deeply
	FaultTrap                             // it trapped, or ended itself
	FaultOutOfMemory                      // it needed more memory than it may have
	FaultABI                              // it answered with something that the ABI does not allow
	FaultFailed                           // it said itself that it could not do its work
	FaultHost                             // a service of the host that it called failed
)

// String is the value of the metric label.
func (k FaultKind) String() string {
	names := [...]string{"unknown", "load", "denied", "fuel", "deadline", "stack", "trap", "out_of_memory", "abi", "failed", "host"}
	if int(k) < len(names) {
		return names[k]
	}
	return names[0]
}

// Fault says which plug-in failed, how, and what to do. It matches ErrFault.
type Fault struct {
	// Kind says how.
	Kind FaultKind
	// Plugin and Version name the plug-in.
	Plugin, Version string
	// Reason is for people; never a value of a row, except what the guest itself wrote to its standard error.
	Reason string
	// Fuel is what the call had burnt.
	Fuel int64
	// Cause is an error of the host; nil where the guest is to blame.
	Cause error
}

// Error names the plug-in, the kind and the reason.
func (f *Fault) Error() string {
	return fmt.Sprintf("plug-in %s %s: %s: %s", f.Plugin, f.Version, f.Kind, f.Reason)
}

// Is matches ErrFault.
func (f *Fault) Is(target error) bool { return target == ErrFault }

// Unwrap is Cause.
func (f *Fault) Unwrap() error { return f.Cause }

// ErrorType is the value of the error.type attribute in spans.
func (f *Fault) ErrorType() string { return "plugin_" + f.Kind.String() }

// QuarantineError names the plug-in that is out of service. It matches ErrQuarantined.
type QuarantineError struct {
	// Plugin and Version name it.
	Plugin, Version string
	// Last is the last fault.
	Last string
}

// Error says what an operator can do.
func (e *QuarantineError) Error() string {
	return fmt.Sprintf("plug-in %s %s is quarantined (%s): mend and reload it, or lift the quarantine", e.Plugin, e.Version, e.Last)
}

// Is matches ErrQuarantined.
func (e *QuarantineError) Is(target error) bool { return target == ErrQuarantined }
