//go:build race

package lane_test

// mostConnections of sessions that hold nothing: the detector makes giving one back take long, so more do at the same moment.
const mostConnections = 32
