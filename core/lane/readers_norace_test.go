//go:build !race

package lane_test

// mostConnections of sessions that hold nothing.
const mostConnections = 16
