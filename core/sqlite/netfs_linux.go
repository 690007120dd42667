package sqlite

import (
	"errors"
	"path/filepath"
	"syscall"
)

// networkFS reports whether path lies on a file system whose shared memory mappings are not coherent between machines.
func networkFS(path string) (kind string, remote bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		if err := syscall.Statfs(filepath.Dir(path), &st); err != nil {
			return "", false
		}
	}
	return networkKind(uint32(st.Type))
}

// networkKind knows the magic numbers of linux/magic.h. FUSE and 9P are left out: both are used for local directories, too.
func networkKind(magic uint32) (kind string, remote bool) {
	switch magic {
	case 0x6969:
		return "nfs", true
	case 0x517b, 0xff534d42, 0xfe534d42:
		return "smb", true
	case 0x00c36400:
		return "ceph", true
	case 0x5346414f, 0x6b414653:
		return "afs", true
	case 0x0bd00bd0:
		return "lustre", true
	case 0x73757245:
		return "coda", true
	case 0x564c:
		return "ncp", true
	case 0x786f4256:
		return "vboxsf", true
	}
	return "", false
}

func isReadOnlyFS(err error) bool { return errors.Is(err, syscall.EROFS) }
