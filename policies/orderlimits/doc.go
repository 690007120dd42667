// Package orderlimits rejects orders that are too large, too valuable or too far from the market: limits on quantity, notional and price, by account, by instrument
// and by both. README.md says how it is configured.
package orderlimits
