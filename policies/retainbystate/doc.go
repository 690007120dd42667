// Package retainbystate archives, deletes or holds rows by the state of what they belong to, such as the orders of closed accounts. README.md says how it is configured.
package retainbystate
