package server

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Token is the bearer token that a request must carry. Only its hash is kept, so that no dump or message of this program can show it.
type Token struct{ sum [sha256.Size]byte }

// The size of tokens.
const (
	tokenBytes    = 32 // 256 bits, written as 64 hexadecimal digits
	tokenShortest = 43 // 256 bits in base64
	tokenLongest  = 512
)

// LoadToken reads the token from a file, and makes the file with a new token in it when it is missing; made tells which. The file can be
// read by its owner alone.
//
// # Errors
//
// A file that others can read, that holds no token, or one that is too short to be a secret; each with what to do.
func LoadToken(path string) (t Token, made bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeToken(path); err != nil && !errors.Is(err, fs.ErrExist) { // another process may have been faster
			return Token{}, false, fmt.Errorf("server.token_file: %w", err)
		}
		made = err == nil
		f, err = os.Open(path)
	}
	if err != nil {
		return Token{}, false, fmt.Errorf("server.token_file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Token{}, false, fmt.Errorf("server.token_file: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return Token{}, false, fmt.Errorf("server.token_file: %s can be read by others (mode %#o): chmod 600 it, and if they may have read it, delete it to have a new one made", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, tokenLongest+2))
	if err != nil {
		return Token{}, false, fmt.Errorf("server.token_file: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if len(secret) < tokenShortest || len(secret) > tokenLongest || strings.ContainsAny(secret, " \t\r\n") {
		return Token{}, false, fmt.Errorf("server.token_file: %s must hold one token of %d to %d characters and nothing else: delete it to have one made", path, tokenShortest, tokenLongest)
	}
	return Token{sha256.Sum256([]byte(secret))}, made, nil
}

// makeToken makes the file in one step, so that nobody sees it half written and no file that is there is overwritten.
func makeToken(path string) error {
	secret := make([]byte, tokenBytes)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".token-*") // CreateTemp makes it 0600
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the directory %s is missing: create it (mode 0700), or name another place", filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(hex.EncodeToString(secret) + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Link(tmp.Name(), path)
}

// matches reports whether the value of an Authorization header carries the token. It takes the same time for every wrong one.
func (t Token) matches(authorization string) bool {
	scheme, given, _ := strings.Cut(authorization, " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(given)))
	return subtle.ConstantTimeCompare(sum[:], t.sum[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}
