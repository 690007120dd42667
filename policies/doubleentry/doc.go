// Package doubleentry rejects a transaction that leaves a booking unbalanced: for each booking and currency that it touches, the amounts must add up to zero when it ends.
// README.md says how it is configured.
package doubleentry
