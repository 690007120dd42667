// Package deliver carries alerts to those who want to know: to each sink its own line, in which an alert stays until the sink has it.
//
// An alert is on its way when the transaction that notes it is committed; whatever happens to the process afterwards, it arrives. It may arrive
// twice, when the answer of the first time was lost, and carries the same key both times. For one alert and one sink the order is kept: the word
// that it is over never comes first, and where an alert is over before anybody was told, both words are sent. A sink that fails is tried again
// after growing delays, and a breaker spares it while it fails altogether; what is too old or cannot be delivered at all is a dead letter, kept
// to be looked at and sent again.
//
// A sink is a plug-in or behaves like one: it makes messages of an alert, and only the outbox of this package opens connections.
package deliver
