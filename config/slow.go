package config

// pairs are settings that say the same for two readers: from when on a statement is slow, for the slow log and for the export of traces.
// Whoever sets one of a pair means both; whoever sets both has both.
func pairs() [][2]string {
	return [][2]string{{"telemetry.slow.signal", "trace.slow.signal"}, {"telemetry.slow.analytics", "trace.slow.analytics"}, {"telemetry.slow.other", "trace.slow.other"}}
}

// follow gives the one of a pair that nothing sets the value of the other, and its origin. Zero is not followed: the slow log takes it for
// "every statement", and the export for "none".
func (s *Settings) follow(merged interface{ Get(key string) any }, by map[string]setting) {
	for _, p := range pairs() {
		a, b := p[0], p[1]
		switch setA, setB := s.origins[a].Layer != FromDefault, s.origins[b].Layer != FromDefault; {
		case setA == setB:
			continue
		case setB:
			a, b = b, a
		}
		if zero := by[a].text(s); zero == "0s" || zero == "0" {
			continue
		}
		by[b].set(s, merged.Get(a))
		s.origins[b] = s.origins[a]
	}
}
