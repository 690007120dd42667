//go:build linux

package fuse

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Mount shows the disk at dir until the server is unmounted. It needs the right to mount.
func (d *Disk) Mount(dir string) (*fuse.Server, error) {
	options := &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "lossy", Name: "lossy", DisableXAttrs: true}}
	return fs.Mount(dir, &folder{disk: d}, options)
}

type folder struct {
	fs.Inode
	disk *Disk
}

var (
	_ fs.NodeLookuper  = (*folder)(nil)
	_ fs.NodeCreater   = (*folder)(nil)
	_ fs.NodeUnlinker  = (*folder)(nil)
	_ fs.NodeRenamer   = (*folder)(nil)
	_ fs.NodeReaddirer = (*folder)(nil)
	_ fs.NodeFsyncer   = (*folder)(nil)
	_ fs.NodeGetattrer = (*folder)(nil)
	_ fs.NodeStatfser  = (*folder)(nil)
)

func (n *folder) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode = syscall.S_IFDIR | 0o700
	return 0
}

// Statfs says that there is room: a disk without any is one whose writes fail.
func (n *folder) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	const blocks = 1 << 20
	out.Bsize, out.Frsize, out.Blocks, out.Bfree, out.Bavail, out.NameLen = 4096, 4096, blocks, blocks, blocks, 255
	return 0
}

func (n *folder) child(ctx context.Context, f *file, out *fuse.EntryOut) *fs.Inode {
	f.attr(&out.Attr)
	return n.NewInode(ctx, &node{disk: n.disk, file: f}, fs.StableAttr{Mode: syscall.S_IFREG, Ino: f.id})
}

func (n *folder) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	f := n.disk.names[name]
	if f == nil {
		return nil, syscall.ENOENT
	}
	return n.child(ctx, f, out), 0
}

func (n *folder) Create(ctx context.Context, name string, _ uint32, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if errno := n.disk.check(Open); errno != 0 {
		return nil, nil, 0, errno
	}
	f := n.disk.names[name]
	if f == nil {
		f = n.disk.create(name, mode&0o777)
	}
	return n.child(ctx, f, out), nil, fuse.FOPEN_KEEP_CACHE, 0
}

func (n *folder) Unlink(_ context.Context, name string) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if n.disk.dead {
		return syscall.EIO
	}
	delete(n.disk.names, name)
	return 0
}

func (n *folder) Rename(_ context.Context, name string, _ fs.InodeEmbedder, newName string, _ uint32) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if n.disk.dead {
		return syscall.EIO
	}
	n.disk.names[newName] = n.disk.names[name]
	delete(n.disk.names, name)
	return 0
}

func (n *folder) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	var list []fuse.DirEntry
	for name, f := range n.disk.names {
		list = append(list, fuse.DirEntry{Name: name, Mode: syscall.S_IFREG, Ino: f.id})
	}
	return fs.NewListDirStream(list), 0
}

// Fsync makes the names durable.
func (n *folder) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if errno := n.disk.check(Fsync); errno != 0 {
		return errno
	}
	clear(n.disk.safe)
	for name, f := range n.disk.names {
		n.disk.safe[name] = f
	}
	return 0
}

type node struct {
	fs.Inode
	disk *Disk
	file *file
}

var (
	_ fs.NodeOpener    = (*node)(nil)
	_ fs.NodeReader    = (*node)(nil)
	_ fs.NodeWriter    = (*node)(nil)
	_ fs.NodeFsyncer   = (*node)(nil)
	_ fs.NodeGetattrer = (*node)(nil)
	_ fs.NodeSetattrer = (*node)(nil)
	_ fs.NodeAllocater = (*node)(nil)
	_ fs.NodeFlusher   = (*node)(nil)
)

func (f *file) attr(out *fuse.Attr) {
	out.Ino, out.Size, out.Mode, out.Nlink = f.id, uint64(len(f.now)), syscall.S_IFREG|f.mode, 1
	out.Blocks, out.Blksize = uint64(len(f.now)+511)/512, 4096
}

func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	return nil, fuse.FOPEN_KEEP_CACHE, n.disk.check(Open)
}

func (n *node) Flush(context.Context, fs.FileHandle) syscall.Errno { return 0 }

func (n *node) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if n.disk.dead {
		return nil, syscall.EIO
	}
	if off >= int64(len(n.file.now)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(dest[:copy(dest, n.file.now[off:])]), 0
}

func (n *node) Write(_ context.Context, _ fs.FileHandle, p []byte, off int64) (uint32, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if errno := n.disk.check(Write); errno != 0 {
		return 0, errno
	}
	n.file.write(p, off)
	return uint32(len(p)), 0
}

func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if errno := n.disk.check(Fsync); errno != 0 {
		n.file.dirty, n.file.cut = nil, -1 // as kernels do: called clean, and lost
		return errno
	}
	n.file.sync()
	return 0
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	n.file.attr(&out.Attr)
	return 0
}

func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if n.disk.dead {
		return syscall.EIO
	}
	if mode, ok := in.GetMode(); ok {
		n.file.mode = mode & 0o777
	}
	if size, ok := in.GetSize(); ok {
		n.file.resize(int64(size))
	}
	n.file.attr(&out.Attr)
	return 0
}

func (n *node) Allocate(_ context.Context, _ fs.FileHandle, off, size uint64, _ uint32) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if errno := n.disk.check(Write); errno != 0 {
		return errno
	}
	if end := int64(off + size); end > int64(len(n.file.now)) {
		n.file.resize(end)
	}
	return 0
}
