// Package ledger is what sqlc makes of schema.sql and queries.sql.
package ledger
