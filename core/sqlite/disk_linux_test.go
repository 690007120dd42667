package sqlite_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	driver "github.com/ncruces/go-sqlite3"

	"github.com/tidegate/engine/core/sqlite"
)

// smallDisk mounts a RAM disk of size, or skips.
func smallDisk(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("mounting a small tmpfs is refused here (%v): the real full disk is not tested", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestRealFullDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "size=2m")
	raw, err := driver.Open("file:" + filepath.Join(dir, "raw.db"))
	must(t, err)
	must(t, raw.Exec("PRAGMA journal_mode=WAL; CREATE TABLE t(a)"))
	if err := raw.Exec("INSERT INTO t VALUES(randomblob(4000000))"); !errors.Is(err, driver.IOERR) {
		t.Logf("the driver reports a full disk as %v in this version, it was an I/O error", err)
	}
	must(t, raw.Close())
	left, err := filepath.Glob(filepath.Join(dir, "raw.db*"))
	must(t, err)
	for _, name := range left {
		must(t, os.Remove(name))
	}

	s := openAt(t, filepath.Join(dir, "d.db"))
	w, r := connect(t, s, sqlite.Writer), connect(t, s, sqlite.Reader)
	must(t, run(w, "CREATE TABLE t(a)"))
	ballast := filepath.Join(dir, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 1500<<10), 0o600))
	wantClass(t, run(w, "INSERT INTO t VALUES(randomblob(1000000))"), sqlite.Full)
	wantInt(t, r, "SELECT count(*) FROM t", 0)
	must(t, w.Broken())
	must(t, os.Remove(ballast))
	must(t, run(w, "INSERT INTO t VALUES(randomblob(100000))"))
	wantInt(t, r, "SELECT count(*) FROM t", 1)
}

// TestFreeBytesUnknown: a file system that counts no blocks does not say that it is full.
func TestFreeBytesUnknown(t *testing.T) {
	t.Parallel()
	if free, known := sqlite.FreeBytes("/proc/self/status"); known {
		t.Errorf("/proc has %d bytes free", free)
	}
	if free, known := sqlite.FreeBytes(filepath.Join(t.TempDir(), "x.db")); !known || free <= 0 {
		t.Errorf("%d bytes free, known %v", free, known)
	}
}

func TestReadOnlyFileSystem(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "size=8m")
	path := filepath.Join(dir, "m.db")
	s, err := tryOpen(sqlite.Location{Path: path})
	must(t, err)
	w := mustConnect(t, s, sqlite.Writer)
	must(t, run(w, "CREATE TABLE t(a)"))
	must(t, w.Close())
	must(t, s.Close())
	must(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	_, err = tryOpen(sqlite.Location{Path: path})
	wantClass(t, err, sqlite.ReadOnly)
	if !strings.Contains(err.Error(), "mode=ro") {
		t.Fatalf("%v names no remedy", err)
	}
	_, err = tryOpen(sqlite.Location{Path: filepath.Join(dir, "new.db")})
	wantClass(t, err, sqlite.ReadOnly)
	ro := openAt(t, "file:"+path+"?mode=ro")
	r := connect(t, ro, sqlite.Reader)
	wantInt(t, r, "SELECT count(*) FROM t", 0)
}

// TestAddressSpace runs itself under a small limit of address space, where the driver panics.
func TestAddressSpace(t *testing.T) {
	t.Parallel()
	const child = "TIDEGATE_TEST_ADDRESS_SPACE"
	if os.Getenv(child) != "" {
		_, err := tryOpen(sqlite.Location{Memory: true}, func(o *sqlite.Options) {
			for i := range o.Memory {
				o.Memory[i] = 4 << 30
			}
		})
		wantClass(t, err, sqlite.OutOfMemory)
		if !strings.Contains(err.Error(), "ulimit -v") {
			t.Fatalf("%v names no remedy", err)
		}
		s := openAt(t, "sqlite://") // and less is possible
		connect(t, s, sqlite.Writer)
		return
	}
	cmd := exec.Command("sh", "-c", `ulimit -v 4000000 && exec "$0" -test.run '^TestAddressSpace$' -test.v`, os.Args[0])
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "race") && strings.Contains(string(out), "mmap") {
		t.Skip("the race detector needs more address space than the limit leaves")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestNetworkFileSystems(t *testing.T) {
	t.Parallel()
	for magic, want := range map[uint32]string{0x6969: "nfs", 0xff534d42: "smb", 0xfe534d42: "smb", 0x517b: "smb", 0xef53: "", 0x01021994: "", 0x65735546: ""} {
		kind, remote := sqlite.NetworkKind(magic)
		if kind != want || remote != (want != "") {
			t.Errorf("%#x: %q %v", magic, kind, remote)
		}
	}
}
