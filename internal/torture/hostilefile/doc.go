// Package hostilefile opens databases that somebody has damaged, forged, or replaced by something that is none, and uses them. The promise
// (P5): the process lives, every call comes back, every error belongs to the catalogue. What a forged database says is not claimed to be true.
package hostilefile
