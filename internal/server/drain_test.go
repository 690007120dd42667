package server_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/config"
	"github.com/tidegate/engine/internal/server"
)

// While clients write as fast as they can, the server is told to stop: /readyz turns red while writes still succeed, Serve ends well,
// and every write that was acknowledged is there when the file is opened again.
func TestDrainLosesNoAcknowledgedWrite(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *config.Server) { c.Drain.Delay = 3 * time.Second })
	var (
		mu           sync.Mutex
		acknowledged []int64
		next         atomic.Int64
		wg           sync.WaitGroup
	)
	written := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged)
	}
	for range 8 {
		wg.Go(func() {
			for {
				id := next.Add(1)
				res, err := http.DefaultClient.Do(b.request(t, "POST", "/v1/exec", `{"sql":"INSERT INTO t (id) VALUES (?)","args":[`+strconv.FormatInt(id, 10)+`]}`))
				if err != nil {
					return // the port is closed
				}
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil {
					return
				}
				if res.StatusCode != 200 {
					t.Errorf("id %d: %d %s", id, res.StatusCode, body)
					return
				}
				mu.Lock()
				acknowledged = append(acknowledged, id)
				mu.Unlock()
			}
		})
	}
	until(t, "writes are under way", func() bool { return written() > 50 })
	b.stop()
	until(t, "readyz is red", func() bool {
		got := send(t, b.request(t, "GET", "/readyz", "", "Authorization", ""))
		return got.status == 503 && strings.Contains(got.body, `"draining":true`)
	})
	before := written()
	if got := send(t, b.request(t, "GET", "/healthz", "")); got.status != 200 {
		t.Errorf("healthz while draining: %d", got.status)
	}
	wg.Wait()
	if written() <= before {
		t.Error("nothing was written after readyz had turned red: the server stopped listening at once")
	}
	if err := <-b.ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	b.ended <- nil // for the clean-up
	there := b.reopened(t)
	for _, id := range acknowledged {
		if !there[id] {
			t.Errorf("%d was acknowledged and is lost", id)
		}
	}
	t.Logf("%d acknowledged, %d there", len(acknowledged), len(there))
}

// reopened closes the database, opens its file again and returns the ids in it.
func (b *bench) reopened(t *testing.T) map[int64]bool {
	t.Helper()
	if err := b.db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := engine.Open(t.Context(), engine.DefaultConfig(b.db.Config().URL))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	there := map[int64]bool{}
	rows, err := db.Query(t.Context(), "SELECT id FROM t")
	if err != nil {
		t.Fatal(err)
	}
	for row, err := range rows.All() {
		var id int64
		if err != nil || row.Scan(&id) != nil {
			t.Fatal(err)
		}
		there[id] = true
	}
	return there
}

// An answer that is being sent when the server is told to stop is sent to its end.
func TestDrainFinishesAnswers(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *config.Server) { c.Drain.Time = time.Minute })
	res, err := http.DefaultClient.Do(b.request(t, "POST", "/v1/query", large("3000")))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b.stop()
	until(t, "the port is closed", func() bool {
		res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(b.request(t, "GET", "/healthz", ""))
		if err == nil {
			res.Body.Close()
		}
		return err != nil
	})
	var a answer
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil || a.Count == nil || *a.Count != 3000 || len(a.Rows) != 3000 {
		t.Errorf("%v, count %v", err, a.Count)
	}
	if err := <-b.ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	b.ended <- nil
}

// What does not end in time is cut off, and Serve says so.
func TestDrainHasAnEnd(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *config.Server) { c.Drain.Time = 100 * time.Millisecond })
	res, err := http.DefaultClient.Do(b.request(t, "POST", "/v1/query", large("100000000")))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	began := time.Now()
	b.stop()
	var cut *server.DrainError
	if err := <-b.ended; !errors.As(err, &cut) || time.Since(began) > 8*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	b.ended <- nil
	if _, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Error("the answer that was cut off looks whole")
	}
}
