package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/config"
	"github.com/tidegate/engine/internal/server"
)

func TestListenUnix(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes of sockets are those of unix")
	}
	dir, err := os.MkdirTemp("", "sock") // t.TempDir is too long for the path of a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	b := start(t, func(c *config.Server) { c.Listen = "unix:" + path })
	info, err := os.Stat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Fatalf("%v %v", info, err)
	}
	b.url = "http://localhost"
	client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}}
	for token, want := range map[string]int{"": 401, "Bearer " + b.token: 200} {
		res, err := client.Do(b.request(t, "POST", "/v1/query", `{"sql":"SELECT 1"}`, "Authorization", token))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("token %v: %d, want %d", token != "", res.StatusCode, want)
		}
	}
	conf := config.DefaultServer()
	conf.Listen = "unix:" + path
	if l, err := server.Listen(conf); err == nil || !strings.Contains(err.Error(), "another server answers") {
		t.Errorf("a socket in use is taken: %v %v", l, err)
	}
	stale := filepath.Join(dir, "stale")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	conf.Listen = "unix:" + stale
	again, err := server.Listen(conf)
	if err != nil {
		t.Fatalf("a socket that a dead process left behind: %v", err)
	}
	again.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	conf.Listen = "unix:" + file
	if _, err := server.Listen(conf); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file in the way: %v", err)
	}
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Error("the file is gone")
	}
}

// certificate makes a certificate for 127.0.0.1.
func certificate(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(parsed)
	return cert, key, pool
}

// With a certificate the server may be reached from outside, by the hosts that are named, and speaks nothing but TLS.
func TestListenTLS(t *testing.T) {
	t.Parallel()
	cert, key, pool := certificate(t)
	b := start(t, func(c *config.Server) {
		c.Listen, c.TLS.Cert, c.TLS.Key, c.Hosts = "0.0.0.0:0", cert, key, []string{"127.0.0.1"}
	})
	_, port, err := net.SplitHostPort(strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	b.url = "https://127.0.0.1:" + port
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	for host, want := range map[string]int{"127.0.0.1": 200, "localhost": 421} {
		res, err := client.Do(b.request(t, "POST", "/v1/query", `{"sql":"SELECT 1"}`, "Host", host))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want || res.ProtoMajor != 2 {
			t.Errorf("%s: %d over %s, want %d over HTTP/2", host, res.StatusCode, res.Proto, want)
		}
	}
	b.url = "http://127.0.0.1:" + port
	if got := send(t, b.request(t, "GET", "/healthz", "", "Authorization", "")); got.status == 200 {
		t.Error("it answers in the clear")
	}
	conf := config.DefaultServer()
	conf.Listen, conf.TLS.Cert, conf.TLS.Key = "127.0.0.1:0", cert, cert
	if _, err := server.Listen(conf); err == nil || !strings.Contains(err.Error(), "server.tls") {
		t.Errorf("a key that is none: %v", err)
	}
}

func TestListenIsLocal(t *testing.T) {
	t.Parallel()
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:0", "127.0.0.1", "unix:"} {
		conf := config.DefaultServer()
		conf.Listen = address
		if l, err := server.Listen(conf); !errors.Is(err, engine.ErrConfig) {
			t.Errorf("%s: %v, %v", address, l, err)
		}
	}
}
