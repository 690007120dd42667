package sqlite

// FileOf returns the open database file of a connection.
func fileOf(c *Conn) *file {
	c.vfs.track.mu.Lock()
	defer c.vfs.track.mu.Unlock()
	for f := range c.vfs.track.db.users {
		if f.vfs == c.vfs {
			return f
		}
	}
	return nil
}
