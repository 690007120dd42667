// Package reference rejects rows whose keys are missing in other tables, or are there in a state that forbids it: what a foreign key cannot say, such as that an order's
// account must be active. README.md says how it is configured.
package reference
