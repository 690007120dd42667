// Package server answers HTTP requests on an open database, for programs in other languages and for probes: /healthz, /readyz and a
// JSON API below /v1.
//
// Three things decide how it is built. Whoever reaches the port is a stranger until the bearer token says otherwise, a browser of
// this very machine included. A client that reads slowly must cost nothing that a trade needs: an answer that fits the buffer is
// finished with the database before its first byte leaves, only a few larger ones may be sent at once, and every piece has a
// deadline. And what has been acknowledged is committed: a server that is told to stop turns /readyz red, lets go of its port, and
// ends what is under way.
package server
