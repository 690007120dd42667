// Package tradingcalendar rejects rows at an instant at which their market is closed: sessions, holidays, short days and time zones are data of the configuration, so that
// a decision does not depend on the zone files of a machine. README.md says how it is configured.
package tradingcalendar
