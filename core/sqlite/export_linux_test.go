package sqlite

import "syscall"

// UnlockShm takes a connection's locks away without fencing it: the mistake that Fence avoids.
func UnlockShm(c *Conn) error {
	const ofdSetLock = 37
	fd := fileOf(c).shm.(interface{ Fd() uintptr }).Fd()
	return syscall.FcntlFlock(fd, ofdSetLock, &syscall.Flock_t{Type: syscall.F_UNLCK})
}

// NetworkKind tells network file systems by their magic number.
func NetworkKind(magic uint32) (kind string, remote bool) { return networkKind(magic) }
