// Package dailylimits rejects rows over what an account may do in a day: so many rows, so much quantity. What an account has done is kept by the engine, in the
// transaction that is judged, so that no row is counted that was not committed. README.md says how it is configured.
package dailylimits
