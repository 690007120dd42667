package wasm

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
)

// cache keeps compiled modules. The runtime's own files hold executable code under a CRC, which everybody can compute; so they live only in a private
// directory while a module is loaded, and what stays is an envelope of ours:
//
//	"TGCACHE1" | HMAC-SHA-256 of the rest under the key, the hash of the module bound into it | u16 length of the name | name | file
type cache struct {
	dir string
	key []byte
}

const (
	cacheMagic = "TGCACHE1"
	cacheName  = ".tgc"
	freshName  = "new-*"
	keyFile    = "cache.key"
	keySize    = 32
	maxEntry   = 1 << 28
	// mostEntries is how many modules are kept, and leftAfter the age at which what is written while a module is loaded belongs to nobody any more.
	mostEntries = 64
	leftAfter   = time.Hour
)

// openCache makes the directory, or refuses one that others may write to or read.
func openCache(dir string, key []byte) (*cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("wasm: compile cache: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, fmt.Errorf("wasm: compile cache: %w", err)
	}
	if !info.IsDir() || runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("wasm: compile cache: %s is open to others, and holds code that this process runs: chmod 700, or choose another directory", dir)
	}
	if key == nil {
		if key, err = readKey(filepath.Join(dir, keyFile)); err != nil {
			return nil, fmt.Errorf("wasm: compile cache: %w", err)
		}
	}
	c := &cache{dir: dir, key: key}
	c.tidy(time.Now())
	return c, nil
}

// tidy takes away what processes that were killed have left, and the entries that nobody has used for longest: each build of a module, and each version of the engine, makes
// one of its own. What cannot be taken away stays; it is in nobody's way.
func (c *cache) tidy(now time.Time) {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return
	}
	var kept []fs.FileInfo
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case err != nil:
		case strings.HasSuffix(e.Name(), cacheName) && info.Mode().IsRegular():
			kept = append(kept, info)
		case (strings.HasPrefix(e.Name(), "run-") || strings.HasPrefix(e.Name(), "new-")) && now.Sub(info.ModTime()) > leftAfter:
			_ = os.RemoveAll(filepath.Join(c.dir, e.Name()))
		}
	}
	slices.SortFunc(kept, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, info := range kept[min(len(kept), mostEntries):] {
		_ = os.Remove(filepath.Join(c.dir, info.Name()))
	}
}

// readKey reads the key, or makes it.
func readKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path); err != nil {
			return nil, err
		}
		key, err = os.ReadFile(path)
	}
	if err == nil && len(key) != keySize {
		err = fmt.Errorf("%s is damaged, and so nothing that it has authenticated is of use: remove it, and the cache is filled again", path)
	}
	return key, err
}

// makeKey writes a key, whole at once: of several processes that start together on an empty directory one makes it, and no other ever sees half of it.
func makeKey(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), freshName) // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	key := make([]byte, keySize)
	_, _ = rand.Read(key)
	_, err = f.Write(key)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil { // a file system without links
		err = os.Rename(f.Name(), path)
	}
	return err
}

// id names what would be compiled: the module, and what compiles it.
func id(wasm []byte) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s %s %s\n", runtime.GOOS, runtime.GOARCH, runtime.Version(), runtimeVersion())
	h.Write(wasm)
	return h.Sum(nil)
}

func (c *cache) mac(id, rest []byte) []byte {
	h := hmac.New(sha256.New, c.key)
	h.Write([]byte(cacheMagic))
	h.Write(id)
	h.Write(rest)
	return h.Sum(nil)
}

// open gives the runtime a directory with the entry of the module, if there is a good one. done keeps what was compiled, and cleans up. A nil cache gives
// nothing.
func (c *cache) open(wasm []byte) (wazero.CompilationCache, func(keep bool), error) {
	if c == nil {
		return nil, func(bool) {}, nil
	}
	tmp, err := os.MkdirTemp(c.dir, "run-")
	if err != nil {
		return nil, nil, err
	}
	key := id(wasm)
	path := filepath.Join(c.dir, hex.EncodeToString(key)+cacheName)
	hit := c.unpack(path, key, tmp)
	if hit {
		now := time.Now()
		_ = os.Chtimes(path, now, now) // for tidy
	}
	cc, err := wazero.NewCompilationCacheWithDir(tmp)
	if err != nil {
		_ = os.RemoveAll(tmp)
		return nil, nil, err
	}
	return cc, func(keep bool) {
		if keep && !hit {
			c.pack(path, key, tmp) // a cache that cannot be written costs time, nothing else
		}
		_ = os.RemoveAll(tmp)
	}, nil
}

// unpack puts the file of an entry where the runtime looks for it; an entry that is damaged or forged is removed.
func (c *cache) unpack(path string, id []byte, tmp string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxEntry {
		return false
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	const head = len(cacheMagic) + sha256.Size
	if len(b) < head+2 || string(b[:len(cacheMagic)]) != cacheMagic || !hmac.Equal(b[len(cacheMagic):head], c.mac(id, b[head:])) {
		_ = os.Remove(path)
		return false
	}
	n := int(binary.LittleEndian.Uint16(b[head:]))
	rest := b[head+2:]
	if n > len(rest) || !filepath.IsLocal(string(rest[:n])) {
		return false
	}
	to := filepath.Join(tmp, string(rest[:n]))
	if os.MkdirAll(filepath.Dir(to), 0o700) != nil {
		return false
	}
	return os.WriteFile(to, rest[n:], 0o600) == nil
}

// pack keeps the one file that the runtime has written.
func (c *cache) pack(path string, id []byte, tmp string) {
	var files []string
	_ = filepath.WalkDir(tmp, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.HasSuffix(p, ".tmp") {
			files = append(files, p)
		}
		return nil
	})
	for _, file := range files {
		name, err := filepath.Rel(tmp, file)
		b, err2 := os.ReadFile(file)
		if err != nil || err2 != nil || len(files) != 1 || len(b) > maxEntry {
			return
		}
		rest := binary.LittleEndian.AppendUint16(nil, uint16(len(name)))
		rest = append(append(rest, name...), b...)
		entry := append([]byte(cacheMagic), c.mac(id, rest)...)
		f, err := os.CreateTemp(c.dir, freshName)
		if err != nil {
			return
		}
		_, err = f.Write(append(entry, rest...))
		if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
			err = os.Rename(f.Name(), path)
		}
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}
}
