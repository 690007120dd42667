package deliver_test

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/core/alert/deliver"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/clock"
	"github.com/tidegate/engine/internal/sidecar"
)

// The environment of a process that is there to be killed: its file, and where its sink posts.
const childFile, childURL = "TIDEGATE_TEST_LETTERS", "TIDEGATE_TEST_URL"

// TestChild is that process. It notes an alert, says so, and goes on until somebody ends it.
func TestChild(t *testing.T) {
	path := os.Getenv(childFile)
	if path == "" {
		t.Skip("it is started by TestKill")
	}
	file, err := sidecar.Open(context.Background(), path, 8<<20, deliver.Schema()...)
	if err != nil {
		t.Fatal(err)
	}
	k, err := deliver.New(context.Background(), deliver.Config{File: file, Patience: deliver.DefaultPatience(), Sinks: []deliver.Sink{{Name: "ops", To: &herald{to: []string{"ops"}}}},
		Endpoints: []deliver.Endpoint{{Name: "ops", URL: deliver.Secret(os.Getenv(childURL))}}})
	if err != nil {
		t.Fatal(err)
	}
	a := alert.Alert{ID: 42, Rule: "WriterBusy", Severity: alert.Critical, Firing: true, Title: "busy", Since: start, At: start}
	if err := file.Write(context.Background(), func(c *sqlite.Conn) error { return k.Enqueue(c, a) }); err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString("noted\n")
	k.Wake()
	select {}
}

// startChild starts one and waits until the alert is noted.
func startChild(t *testing.T, path, url string) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestChild$")
	c.Env = append(os.Environ(), childFile+"="+path, childURL+"="+url)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "noted" {
			return c
		}
	}
	t.Fatal("the child has ended early")
	return nil
}

// A process is killed before anybody could be told, and in the moment in which its message has arrived and it does not know: the alert arrives after the next
// start, in the second case for a second time, with the same key.
func TestKill(t *testing.T) {
	t.Parallel()
	for name, heard := range map[string]bool{"before it was told": false, "before it knew that it was told": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "telemetry.db")
			arrived := make(chan struct{}, 1)
			first := listen(t, func(_ int, w http.ResponseWriter, r *http.Request) {
				select {
				case arrived <- struct{}{}:
				default:
				}
				if heard {
					<-r.Context().Done() // it has the message, and its answer never comes
					return
				}
				w.WriteHeader(http.StatusServiceUnavailable)
			})
			c := startChild(t, path, first.URL)
			select {
			case <-arrived:
			case <-time.After(30 * time.Second):
				t.Fatal("nothing was tried")
			}
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = c.Wait() // it was killed, which is an error
			second := listen(t, nil)
			p := open(t, path, clock.NewFake(time.Now().Add(time.Hour)), deliver.Config{Sinks: []deliver.Sink{{Name: "ops", To: &herald{to: []string{"ops"}}}},
				Endpoints: []deliver.Endpoint{{Name: "ops", URL: deliver.Secret(second.URL)}}})
			p.until("it arrives", time.Second, func() bool { return p.State(t.Context())[0].Counts["delivered"] == 1 })
			before, _ := first.list()
			after, bodies := second.list()
			key := before[0].Header.Get("Idempotency-Key")
			if len(after) != 1 || bodies[0] != "42 firing" || key == "" || after[0].Header.Get("Idempotency-Key") != key {
				t.Errorf("%d messages %v, keys %q and %q", len(after), bodies, key, after[0].Header.Get("Idempotency-Key"))
			}
			// A third start has nothing to tell, even where the evaluator notes the same alert again.
			p.end()
			q := open(t, path, clock.NewFake(time.Now().Add(2*time.Hour)), deliver.Config{Sinks: []deliver.Sink{{Name: "ops", To: &herald{to: []string{"ops"}}}},
				Endpoints: []deliver.Endpoint{{Name: "ops", URL: deliver.Secret(second.URL)}}})
			q.tell(42, true)
			q.tell(43, true)
			q.until("the next one arrives", 0, func() bool { return q.State(t.Context())[0].Counts["delivered"] >= 1 })
			if _, bodies := second.list(); strings.Join(bodies, ",") != "42 firing,43 firing" {
				t.Errorf("told %v", bodies)
			}
		})
	}
}

// What waits for a sink that is not configured any more is a dead letter, and can be sent once the sink is back.
func TestSinkIsGone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "telemetry.db")
	a := &ear{}
	a.down()
	p := open(t, path, clock.NewFake(start), deliver.Config{Sinks: []deliver.Sink{{Name: "a", To: a}}})
	p.tell(1, true)
	p.until("it was tried", 0, func() bool { return len(a.words()) > 0 })
	p.end()
	b := &ear{}
	q := open(t, path, clock.NewFake(start), deliver.Config{Sinks: []deliver.Sink{{Name: "b", To: b}}})
	letters, err := q.Dead(t.Context(), 5)
	if err != nil || len(letters) != 1 || letters[0].Sink != "a" || letters[0].Reason != "the sink is not configured any more" {
		t.Fatalf("%+v, %v", letters, err)
	}
	if n, err := q.Resend(t.Context(), 0); n != 0 || err != nil {
		t.Errorf("%d sent again to nobody, %v", n, err)
	}
	q.end()
	a.up()
	r := open(t, path, clock.NewFake(start), deliver.Config{Sinks: []deliver.Sink{{Name: "a", To: a}}})
	if n, err := r.Resend(t.Context(), letters[0].ID); n != 1 || err != nil {
		t.Errorf("%d sent again, %v", n, err)
	}
	r.until("it arrives", 0, func() bool { return r.State(t.Context())[0].Counts["delivered"] == 1 })
}

// A file that takes nothing keeps nobody from being told: the alert is kept in memory.
func TestFileIsFull(t *testing.T) {
	t.Parallel()
	a := &ear{}
	p := open(t, filepath.Join(t.TempDir(), "telemetry.db"), clock.NewFake(start), deliver.Config{Sinks: []deliver.Sink{{Name: "a", To: a}}})
	if err := p.file.Close(); err != nil {
		t.Fatal(err)
	}
	for _, firing := range []bool{true, false} {
		if err := p.Notify(t.Context(), alert.Alert{ID: 9, Rule: "DiskFullIn24h", Firing: firing, Since: start, At: start}); err != nil {
			t.Fatal(err)
		}
	}
	p.until("both arrive", time.Second, func() bool { return len(a.words()) == 2 })
	if got := strings.Join(a.words(), ","); got != "9 firing,9 resolved" {
		t.Errorf("heard %s", got)
	}
}

// What Notify was given is in the file when it returns, as what Enqueue was given is once its transaction is committed; what is rolled back is not told.
func TestNotifyIsStored(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "telemetry.db")
	a := &ear{}
	a.down()
	p := open(t, path, clock.NewFake(start), deliver.Config{Sinks: []deliver.Sink{{Name: "a", To: a}}})
	x := alert.Alert{ID: 5, Rule: "WriterBusy", Firing: true, Since: start, At: start}
	if err := p.Notify(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	undone := errors.New("undone")
	if err := p.file.Write(t.Context(), func(c *sqlite.Conn) error {
		x.ID = 6
		return errors.Join(p.Enqueue(c, x), undone)
	}); !errors.Is(err, undone) {
		t.Fatal(err)
	}
	p.Wake()
	p.until("it was tried", 0, func() bool { return len(a.words()) > 0 })
	p.end()
	b := &ear{}
	q := open(t, path, clock.NewFake(start.Add(time.Hour)), deliver.Config{Sinks: []deliver.Sink{{Name: "a", To: b}}})
	q.until("it arrives", time.Second, func() bool { return len(b.words()) == 1 })
	q.until("nothing waits", time.Second, func() bool { return q.State(t.Context())[0].Waiting == 0 })
	if got := strings.Join(b.words(), ","); got != "5 firing" {
		t.Errorf("heard %s", got)
	}
}

// What is to be tried again at an instant that a clock has been set back from is tried at once, and not a day late.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "telemetry.db")
	a := &ear{}
	a.down()
	p := open(t, path, clock.NewFake(start.Add(24*time.Hour)), deliver.Config{Sinks: []deliver.Sink{{Name: "a", To: a}}})
	p.tell(1, true)
	p.until("it was tried", 0, func() bool { return p.State(t.Context())[0].Counts["failed"] == 1 })
	p.end()
	b := &ear{}
	q := open(t, path, clock.NewFake(start), deliver.Config{Sinks: []deliver.Sink{{Name: "a", To: b}}})
	q.until("it arrives", 0, func() bool { return q.State(t.Context())[0].Counts["delivered"] == 1 })
}
