package deliver_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine/core/alert/deliver"
	"github.com/tidegate/engine/internal/clock"
	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/contract"
)

// herald is a sink that posts a message to each of its endpoints.
type herald struct {
	to      []string
	headers [][2]string
}

// Identity implements contract.Sink.
func (h *herald) Identity() contract.Identity { return contract.Identity{Name: "herald"} }

// Notify implements contract.Sink.
func (h *herald) Notify(ctx context.Context, alerts []sdk.Alert, _ time.Time) (contract.Outcome, error) {
	state := "resolved"
	if alerts[0].Firing {
		state = "firing"
	}
	for _, endpoint := range h.to {
		raw, err := (&sdk.Post{Headers: h.headers, Body: fmt.Appendf(nil, "%d %s", alerts[0].ID, state)}).Append(nil)
		if err != nil {
			return contract.Outcome{}, err
		}
		if ok, err := contract.OutboxFrom(ctx).Post(ctx, endpoint, raw); !ok || err != nil {
			return contract.Outcome{}, errors.New("the outbox does not take it")
		}
	}
	return contract.Outcome{}, nil
}

// receiver is a server that notes what it gets.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	got     []*http.Request
	bodies  []string
	answers func(n int, w http.ResponseWriter, r *http.Request) // nil: 204
}

func listen(t testing.TB, answers func(n int, w http.ResponseWriter, r *http.Request)) *receiver {
	t.Helper()
	r := &receiver{answers: answers}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) serve(w http.ResponseWriter, q *http.Request) {
	b, _ := io.ReadAll(q.Body)
	r.mu.Lock()
	r.got, r.bodies = append(r.got, q), append(r.bodies, string(b))
	n := len(r.got)
	r.mu.Unlock()
	if r.answers == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	r.answers(n, w, q)
}

func (r *receiver) list() ([]*http.Request, []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got), slices.Clone(r.bodies)
}

const signer = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// What is sent has the headers of the endpoint over those of the sink, the key of the letter, and a signature that its receiver can check.
func TestMessage(t *testing.T) {
	t.Parallel()
	ops := listen(t, nil)
	p := open(t, "", clock.NewFake(start), deliver.Config{
		Sinks: []deliver.Sink{{Name: "ops", To: &herald{to: []string{"ops", "ops"}, headers: [][2]string{{"content-type", "text/plain"}, {"authorization", "guessed"}, {"host", "elsewhere.example"}, {"idempotency-key", "guessed"}}}}},
		Endpoints: []deliver.Endpoint{{Name: "ops", URL: deliver.Secret(ops.URL + "/hook?token=t0ken"), Key: "whsec_" + signer,
			Headers: map[string]deliver.Secret{"Authorization": "Bearer s3cret"}}},
	})
	p.tell(7, true)
	p.until("both messages arrive", 0, func() bool { got, _ := ops.list(); return len(got) == 2 })
	got, bodies := ops.list()
	key := got[0].Header.Get("Idempotency-Key")
	if !strings.HasSuffix(key, "-7-firing-ops") || got[1].Header.Get("Idempotency-Key") != key+"-2" {
		t.Errorf("keys %q and %q", key, got[1].Header.Get("Idempotency-Key"))
	}
	h := got[0].Header
	if got[0].URL.Query().Get("token") != "t0ken" || got[0].URL.Path != "/hook" || bodies[0] != "7 firing" || strings.Contains(got[0].Host, "elsewhere") ||
		h.Get("Authorization") != "Bearer s3cret" || h.Get("Content-Type") != "text/plain" {
		t.Errorf("%s %s %v %q", got[0].Host, got[0].URL, h, bodies[0])
	}
	raw, err := base64.StdEncoding.DecodeString(signer)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte(h.Get("Webhook-Id") + "." + h.Get("Webhook-Timestamp") + "." + bodies[0]))
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); h.Get("Webhook-Signature") != want || h.Get("Webhook-Id") != key || h.Get("Webhook-Timestamp") != fmt.Sprint(start.Unix()) {
		t.Errorf("signed %v, want %s", h, want)
	}
}

// Answers decide what becomes of a letter; whatever is said of them names no path and no secret.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		answers func(n int, w http.ResponseWriter, r *http.Request)
		want    string // delivered, dead or waiting after the first attempt
		says    string
	}{
		{"500", func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "waiting", "answered 500 Internal Server Error"},
		{"404", func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, "waiting", "answered 404 Not Found"},
		{"401", func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, "waiting", "answered 401"},
		{"400", func(_ int, w http.ResponseWriter, _ *http.Request) { http.Error(w, "s3cret", 400) }, "dead", "does not take this message"},
		{"redirect", func(_ int, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/x", http.StatusTemporaryRedirect)
		}, "waiting", "redirects are not followed"},
		{"no answer", func(_ int, _ http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, "waiting", "EOF"},
		{"slow", func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "waiting", "did not answer in time"},
		{"202", func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) }, "delivered", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ops := listen(t, c.answers)
			patience := deliver.DefaultPatience()
			patience.Timeout = 500 * time.Millisecond
			p := open(t, filepath.Join(t.TempDir(), "telemetry.db"), clock.NewFake(start), deliver.Config{Patience: patience,
				Sinks:     []deliver.Sink{{Name: "ops", To: &herald{to: []string{"ops"}}}},
				Endpoints: []deliver.Endpoint{{Name: "ops", URL: deliver.Secret(ops.URL + "/T0PSECRET"), Headers: map[string]deliver.Secret{"x-token": "s3cret"}}}})
			trial := p.Test(t.Context(), "ops")
			if len(trial) != 1 || trial[0].OK != (c.want == "delivered") || !strings.Contains(trial[0].Answer, c.says) {
				t.Errorf("a test says %+v", trial)
			}
			p.tell(1, true)
			state := func() string {
				switch s := p.State(t.Context())[0]; {
				case s.Counts["delivered"] > 0:
					return "delivered"
				case s.Dead > 0:
					return "dead"
				case s.Counts["failed"] > 0:
					return "waiting"
				}
				return ""
			}
			p.until("it is decided", 0, func() bool { return state() != "" })
			if got := state(); got != c.want {
				t.Errorf("it is %s, want %s", got, c.want)
			}
			dead, err := p.Dead(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if all := fmt.Sprintf("%+v %+v %+v", trial, dead, p.State(t.Context())); strings.Contains(all, "T0PSECRET") || strings.Contains(all, "s3cret") {
				t.Errorf("a secret is shown: %s", all)
			}
		})
	}
}

// A sink that names a time is left alone until then, with whatever else waits for it.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(start)
	var at []time.Time
	ops := listen(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		at = append(at, fake.Now())
		if n == 1 {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusOK)
	})
	p := open(t, filepath.Join(t.TempDir(), "telemetry.db"), fake, deliver.Config{Sinks: []deliver.Sink{{Name: "ops", To: &herald{to: []string{"ops"}}}},
		Endpoints: []deliver.Endpoint{{Name: "ops", URL: deliver.Secret(ops.URL)}}})
	p.tell(1, true)
	p.until("it was told to wait", 0, func() bool { return p.State(t.Context())[0].Counts["failed"] == 1 })
	p.tell(2, true)
	p.until("both arrive", time.Second, func() bool { return p.State(t.Context())[0].Counts["delivered"] == 2 })
	if len(at) != 3 || at[1].Sub(at[0]) < 2*time.Minute || at[1].Sub(at[0]) > 5*time.Minute {
		t.Errorf("tried at %v", at)
	}
}

// The breaker spares a sink that is down: of a hundred letters, few are tried while nobody answers, and all arrive when somebody does again.
func TestBreaker(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	down := true
	ops := listen(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if down {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	p := open(t, filepath.Join(t.TempDir(), "telemetry.db"), clock.NewFake(start), deliver.Config{Sinks: []deliver.Sink{{Name: "ops", To: &herald{to: []string{"ops"}}}},
		Endpoints: []deliver.Endpoint{{Name: "ops", URL: deliver.Secret(ops.URL)}}})
	for id := range int64(100) {
		p.tell(id+1, true)
	}
	p.until("it is open", time.Second, func() bool { return p.State(t.Context())[0].Open })
	for from := p.clock.Now(); p.clock.Now().Sub(from) < time.Hour; {
		p.clock.Advance(time.Second)
		time.Sleep(50 * time.Microsecond)
	}
	if got, _ := ops.list(); len(got) > 30 {
		t.Errorf("%d attempts in an hour on a sink that is down", len(got))
	}
	mu.Lock()
	down = false
	mu.Unlock()
	p.until("all arrive, and the breaker is closed", time.Second, func() bool {
		s := p.State(t.Context())[0]
		return s.Counts["delivered"] == 100 && !s.Open && s.Waiting == 0
	})
	if s := p.State(t.Context())[0]; s.Dead != 0 {
		t.Errorf("%+v", s)
	}
}

func TestEndpoint(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://ops.example/hook?x=1": "", "http://127.0.0.1:9093/api/v2/alerts": "", "http://[::1]/": "", "http://localhost:1/": "",
		"http://ops.example/": "use https", "ftp://ops.example/": "must begin with", "https://": "is none", "ops.example": "is none", "https://u:p4ss@ops.example/": "password", "https://ops.example/%zzT0PSECRET": "is none",
	} {
		e := deliver.Endpoint{Name: "ops", URL: deliver.Secret(url)}
		got := strings.Join(e.Mistakes(), "; ")
		if (got == "") != (want == "") || !strings.Contains(got, want) || strings.Contains(got, "p4ss") || strings.Contains(got, "T0PSECRET") {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
	plain := deliver.Endpoint{Name: "ops", URL: "http://ops.example/", Insecure: true}
	if bad := plain.Mistakes(); len(bad) > 0 {
		t.Errorf("allowed and refused: %v", bad)
	}
	wrong := deliver.Endpoint{URL: "https://ops.example/", Key: "hunter2", Timeout: -1, Headers: map[string]deliver.Secret{"Host": "x", "x y": "z", "X-Token": "line\n"}}
	all := strings.Join(wrong.Mistakes(), "; ")
	for _, want := range []string{"needs a name", "shorter than 24", "timeout", `"Host"`, `"x y"`, "line break"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in %q", want, all)
		}
	}
	if strings.Contains(all, "hunter2") || fmt.Sprintf("%v %+v %#v", wrong.Key, wrong, wrong.Key) != strings.ReplaceAll(fmt.Sprintf("%v %+v %#v", wrong.Key, wrong, wrong.Key), "hunter2", "") {
		t.Error("a secret is shown")
	}
	if _, err := deliver.New(t.Context(), deliver.Config{Endpoints: []deliver.Endpoint{wrong}}); err == nil {
		t.Error("a wrong endpoint was taken")
	}
	twice := []deliver.Endpoint{{Name: "a", URL: "https://a.example"}, {Name: "a", URL: "https://b.example"}}
	if _, err := deliver.New(t.Context(), deliver.Config{Endpoints: twice}); err == nil || !strings.Contains(err.Error(), "one of this name") {
		t.Errorf("two endpoints of one name: %v", err)
	}
}
