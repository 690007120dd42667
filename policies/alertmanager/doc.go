// Package alertmanager posts alerts to the API v2 of a Prometheus Alertmanager. README.md says how it is configured.
package alertmanager
