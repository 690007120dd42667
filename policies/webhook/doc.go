// Package webhook posts alerts as JSON, signed as the Standard Webhooks specification says. README.md says how it is configured.
package webhook
