package server_test

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
)

// freePort is an address that nobody listens on: Prometheus does not say which port it was given for 0.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func promQuery(t *testing.T, address, query string) string {
	t.Helper()
	return promGet(t, address, "/api/v1/query?query="+url.QueryEscape(query))
}

// promGet returns what Prometheus answers, "" while it does not.
func promGet(t *testing.T, address, path string) string {
	t.Helper()
	r, err := http.Get("http://" + address + path)
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return ""
	}
	return string(b)
}
