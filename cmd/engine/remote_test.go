package main

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine/config"
)

// Over TLS the server must show the certificate of the settings, or one that the system trusts; the token goes to nobody else.
func TestRemoteOverTLS(t *testing.T) {
	t.Parallel()
	tokens := make(chan string, 10)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tokens <- r.Header.Get("Authorization")
		io.WriteString(w, `{"sessions":[]}`)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshake that fails is what is tested
	server.StartTLS()
	defer server.Close()
	dir := t.TempDir()
	cert := filepath.Join(dir, "cert.pem")
	if err := os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(dir, "none.pem")
	if err := os.WriteFile(none, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ask := func(file string) error {
		c := config.Server{Listen: strings.TrimPrefix(server.URL, "https://"), TLS: config.ServerTLS{Cert: file, Key: file}}
		r := &remote{where: c.Listen, token: "secret"}
		transport := &http.Transport{}
		if err := r.reach(transport, &c); err != nil {
			return err
		}
		r.client = &http.Client{Transport: transport}
		var list sessionList
		return r.call(t.Context(), "/v1/sessions", nil, &list)
	}
	if err := ask(cert); err != nil || len(tokens) != 1 || <-tokens != "Bearer secret" {
		t.Errorf("with its certificate: %v", err)
	}
	if err := ask(none); err == nil || !strings.Contains(err.Error(), "certificate") || len(tokens) != 0 {
		t.Errorf("one whose certificate nobody knows got the token: %v", err)
	}
	if err := ask(filepath.Join(dir, "missing.pem")); err == nil || !strings.Contains(err.Error(), "server.tls.cert") {
		t.Errorf("a certificate that is not there: %v", err)
	}
}

// A server that listens on every address is reached by the name that its certificate has.
func TestRemoteReaches(t *testing.T) {
	t.Parallel()
	cert := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(cert, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tls := config.ServerTLS{Cert: cert, Key: cert}
	for _, c := range []struct {
		server config.Server
		want   string
	}{
		{config.Server{Listen: "127.0.0.1:7420"}, "http://127.0.0.1:7420"},
		{config.Server{Listen: "unix:/run/x.sock"}, "http://localhost"},
		{config.Server{Listen: "0.0.0.0:7420", TLS: tls, Hosts: []string{"desk.example"}}, "https://desk.example:7420"},
		{config.Server{Listen: ":7420", TLS: tls}, "https://localhost:7420"},
		{config.Server{Listen: "[2001:db8::1]:7420", TLS: tls}, "https://[2001:db8::1]:7420"},
	} {
		r := &remote{}
		if err := r.reach(&http.Transport{}, &c.server); err != nil || r.base != c.want {
			t.Errorf("%s: %s, %v; want %s", c.server.Listen, r.base, err, c.want)
		}
	}
}
