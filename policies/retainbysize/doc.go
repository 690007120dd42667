// Package retainbysize archives or deletes the oldest rows of a table when the database or the table is too large. README.md says how it is configured.
package retainbysize
