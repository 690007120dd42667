package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/config"
)

// Listen opens the port or the socket that cfg names. A socket that a dead process left behind is replaced.
//
// # Errors
//
// *engine.ConfigError, among others for an address that can be reached from outside without a certificate; otherwise what the
// operating system says, or a certificate that cannot be read.
func Listen(cfg config.Server) (net.Listener, error) {
	if bad := cfg.Mistakes(); len(bad) > 0 {
		return nil, &engine.ConfigError{Mistakes: bad}
	}
	if path := cfg.Socket(); path != "" {
		return listenUnix(path)
	}
	if cfg.TLS.Cert != "" {
		if _, err := tls.LoadX509KeyPair(cfg.TLS.Cert, cfg.TLS.Key); err != nil {
			return nil, fmt.Errorf("server.tls: %w", err)
		}
	}
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("server.listen: %w", err)
	}
	// localhost is a name, and a name may lead anywhere.
	if addr, ok := l.Addr().(*net.TCPAddr); cfg.TLS.Cert == "" && (!ok || !addr.IP.IsLoopback()) {
		l.Close()
		return nil, &engine.ConfigError{Mistakes: []string{fmt.Sprintf("server.listen: %s leads to %v, which other machines can reach: use 127.0.0.1", cfg.Listen, l.Addr())}}
	}
	return l, nil
}

func listenUnix(path string) (net.Listener, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("server.listen: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("server.listen: %s is there and is no socket: remove it, or name another", path)
	default:
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
			return nil, fmt.Errorf("server.listen: another server answers on %s", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("server.listen: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("server.listen: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("server.listen: %w", err)
	}
	return l, nil
}
