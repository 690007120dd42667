// Package alert says when something is wrong, once, and what it is: rules over the engine's metrics, the states that they are in, and alerts
// with their diagnosis.
//
// A rule is watched in intervals. Its expression gives a value for each group of labels; one that stays past the limit for as long as the rule
// says begins an alert, and one that stays on the good side of the resolve limit ends it. What becomes of an alert afterwards, who is told and how,
// is package deliver's; what caused it is package diagnose's.
package alert
