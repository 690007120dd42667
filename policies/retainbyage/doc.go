// Package retainbyage archives or deletes rows that are older than a limit. README.md says how it is configured.
package retainbyage
