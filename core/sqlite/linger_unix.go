//go:build linux || darwin

package sqlite

import (
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/ncruces/go-sqlite3/vfs"
)

// walIndex is the first page of the -shm file, mapped for reading beside the driver's own mapping of it.
type walIndex struct {
	page []byte
	head *walHeader
}

// mapWALIndex maps the -shm file that the connection itself holds open; nil where it holds none, as for a database without WAL.
func mapWALIndex(shm vfs.SharedMemory) *walIndex {
	file, ok := shm.(interface {
		Fd() uintptr
		Stat() (os.FileInfo, error)
	})
	if !ok {
		return nil
	}
	size := os.Getpagesize()
	// Past the end of a file a mapping cannot be read.
	if info, err := file.Stat(); err != nil || info.Size() < int64(size) {
		return nil
	}
	page, err := syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil // snapshots are then begun and ended for each read
	}
	return &walIndex{page: page, head: (*walHeader)(unsafe.Pointer(unsafe.SliceData(page)))}
}

// header reads the header. A writer changes its second copy first and this one last, ahead of telling anybody that its commit
// is done: so whoever reads what was there before need not know of that commit yet.
func (w *walIndex) header() (h walHeader) {
	for i := range h {
		h[i] = atomic.LoadUint64(&w.head[i])
	}
	return h
}

func (w *walIndex) close() {
	_ = syscall.Munmap(w.page) // fails for an address that was not mapped, which this one was
	w.page, w.head = nil, nil
}
