package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A test goes the way of real alerts to each sink, and says what each has answered; what is dead is nothing yet.
func TestAlertDelivery(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	var posts atomic.Int32
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		posts.Add(1)
		if down.Load() {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(hook.Close)
	find, _, _ := startServer(t, "--set", `alerts.endpoints=[{"name":"pager","url":"`+hook.URL+`/secret-path"}]`, "--set", `alerts.sinks=[{"name":"log","kind":"log"},{"name":"desk","kind":"webhook","endpoint":"pager"}]`)
	if o := must(t, append([]string{"alert", "test"}, find...)...); strings.Count(o.stdout, "ok     ") != 2 || posts.Load() != 2 || strings.Contains(o.stdout, "secret-path") {
		t.Errorf("%d posts: %s", posts.Load(), o.stdout)
	}
	down.Store(true)
	if o := program(t, append([]string{"alert", "test", "--sink", "desk"}, find...)...); o.code != exitError || !strings.Contains(o.stdout, "FAILED desk in ") || !strings.Contains(o.stderr, "1 of 1 sinks") {
		t.Errorf("%+v", o)
	}
	if o := program(t, append([]string{"alert", "test", "--sink", "none"}, find...)...); o.code != exitError || !strings.Contains(o.stderr, "there is none of this name") {
		t.Errorf("%+v", o)
	}
	if o := must(t, append([]string{"alert", "dead"}, find...)...); o.stdout != "no dead letters\n" {
		t.Error(o.stdout)
	}
	if o := must(t, "alert", "dead", "--stored", "--db", find[1]); o.stdout != "no dead letters\n" {
		t.Error(o.stdout)
	}
	if o := must(t, append([]string{"alert", "dead", "--resend", "0"}, find...)...); !strings.HasPrefix(o.stdout, "0 letters") {
		t.Error(o.stdout)
	}
	for _, args := range [][]string{{"test", "x"}, {"dead", "x"}, {"dead", "--resend", "1", "--stored"}, {"dead", "--resend", "-5"}} {
		if o := program(t, append([]string{"alert"}, args...)...); o.code != exitUsage {
			t.Errorf("%v: %+v", args, o)
		}
	}
}
