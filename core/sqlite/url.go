package sqlite

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// Location says where a database is. The zero value is no location.
type Location struct {
	Path      string // absolute; "" in memory
	Memory    bool   // lives and dies with the Store
	ReadOnly  bool   // never written, whatever it holds
	MustExist bool   // never created
	Immutable bool   // nobody changes the file while it is open; only with ReadOnly
}

// String returns the location for display: the path, or ":memory:", with "(read only)" where that applies.
func (l Location) String() string {
	s := l.Path
	if l.Memory {
		s = ":memory:"
	}
	if l.ReadOnly {
		s += " (read only)"
	}
	return s
}

// URLError says why a database URL was not understood.
type URLError struct {
	URL    string // without user and password
	Reason string
	Remedy string
}

// Error implements error.
func (e *URLError) Error() string {
	return fmt.Sprintf("database URL %q: %s; %s", e.URL, e.Reason, e.Remedy)
}

// ParseURL understands the forms in which a SQLite database is usually named:
//
//	sqlite:///relative.db     three slashes: relative to the working directory, as in SQLAlchemy
//	sqlite:////absolute.db    four slashes: absolute
//	sqlite://                 in memory; also sqlite:///:memory: and :memory:
//	sqlite+driver:///file.db  the driver of another language is ignored
//	file:path?mode=ro         SQLite's own form; mode is ro, rw, rwc or memory, immutable=1 only with mode=ro
//	path/to/file.db           a plain path
//
// # Errors
//
// *URLError for another scheme, a host, an unknown option or a NUL byte.
func ParseURL(raw string) (Location, error) {
	fail := func(reason, remedy string) (Location, error) {
		return Location{}, &URLError{URL: redact(raw), Reason: reason, Remedy: remedy}
	}
	scheme, rest, hasScheme := cutScheme(raw)
	switch {
	case raw == "":
		return fail("is empty", "name a file, for example sqlite:///data.db, or sqlite:// for a database in memory")
	case raw == ":memory:":
		return Location{Memory: true}, nil
	case !hasScheme:
		return located(raw, raw, nil)
	case scheme == "file":
		return parseFile(raw, rest)
	case scheme != "sqlite" && scheme != "sqlite3" && !strings.HasPrefix(scheme, "sqlite+"):
		return fail(fmt.Sprintf("scheme %q is not supported", scheme), "use sqlite:///relative.db, sqlite:////absolute.db, file:path or a plain path")
	case !strings.HasPrefix(rest, "//"):
		return fail("slashes are missing after the scheme", "use sqlite:///relative.db or sqlite:////absolute.db")
	}
	path, query, _ := strings.Cut(rest[2:], "?")
	if path == "" || path == "/" || path == "/:memory:" || path == ":memory:" {
		return located(raw, ":memory:", queryOf(query))
	}
	if path[0] != '/' {
		host, _, _ := strings.Cut(path, "/")
		return fail(fmt.Sprintf("%q would be a host name", redact(host)), "SQLite has no hosts: use three slashes for a relative path, four for an absolute one")
	}
	name, err := url.PathUnescape(path[1:])
	if err != nil {
		return fail("has a wrong % escape", "write a percent sign as %25")
	}
	return located(raw, name, queryOf(query))
}

// cutScheme leaves Windows drive letters alone.
func cutScheme(raw string) (scheme, rest string, ok bool) {
	i := strings.IndexByte(raw, ':')
	if i < 2 {
		return "", raw, false
	}
	for _, r := range raw[:i] {
		if !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || r == '+' || r == '-' || r == '.') {
			return "", raw, false
		}
	}
	return strings.ToLower(raw[:i]), raw[i+1:], true
}

func parseFile(raw, rest string) (Location, error) {
	path, query, _ := strings.Cut(rest, "?")
	path, _, _ = strings.Cut(path, "#")
	if strings.HasPrefix(path, "//") {
		host, abs, _ := strings.Cut(path[2:], "/")
		if host != "" && host != "localhost" {
			return Location{}, &URLError{URL: redact(raw), Reason: fmt.Sprintf("%q would be a host name", redact(host)), Remedy: "use file:/absolute/path or file:relative/path"}
		}
		path = "/" + abs
	}
	name, err := url.PathUnescape(path)
	if err != nil {
		return Location{}, &URLError{URL: redact(raw), Reason: "has a wrong % escape", Remedy: "write a percent sign as %25"}
	}
	if len(name) > 2 && name[0] == '/' && name[2] == ':' && filepath.VolumeName(name[1:]) != "" {
		name = name[1:] // file:///C:/data.db
	}
	return located(raw, name, queryOf(query))
}

func queryOf(q string) url.Values {
	v, err := url.ParseQuery(q)
	if err != nil {
		return url.Values{"a wrong query": nil}
	}
	return v
}

// located applies the options and makes the path absolute.
func located(raw, name string, opts url.Values) (Location, error) {
	l := Location{Memory: name == ":memory:"}
	fail := func(reason, remedy string) (Location, error) {
		return Location{}, &URLError{URL: redact(raw), Reason: reason, Remedy: remedy}
	}
	for key := range opts {
		switch value := opts.Get(key); key {
		case "mode":
			switch value {
			case "ro":
				l.ReadOnly, l.MustExist = true, true
			case "rw":
				l.MustExist = true
			case "rwc":
			case "memory":
				l.Memory = true
			default:
				return fail(fmt.Sprintf("mode %q is unknown", value), "use ro, rw, rwc or memory")
			}
		case "immutable":
			l.Immutable = value == "1" || value == "true" || value == "on" || value == "yes"
		case "cache":
			if value != "private" {
				return fail("cache="+value+" is not supported", "leave it out: the engine shares its connections itself")
			}
		default:
			return fail(fmt.Sprintf("option %q is not supported", key), "set it in the configuration; the URL takes mode and immutable")
		}
	}
	if l.Immutable && (!l.ReadOnly || l.Memory) {
		return fail("immutable is allowed with mode=ro only", "add mode=ro, or leave immutable out: writing an immutable database corrupts it")
	}
	if l.Memory {
		if l.ReadOnly || l.MustExist {
			return fail("a database in memory starts empty", "leave mode out")
		}
		return l, nil
	}
	if strings.IndexByte(name, 0) >= 0 {
		return fail("holds a NUL byte", "remove it")
	}
	if name == "" {
		return fail("has no path", "name a file, or use sqlite:// for a database in memory")
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return fail("cannot be made absolute: "+err.Error(), "use an absolute path")
	}
	l.Path = abs
	return l, nil
}

// redact removes what may be a password: somebody will paste the URL of another database here.
func redact(raw string) string {
	at := strings.LastIndexByte(raw, '@')
	if at < 0 {
		return raw
	}
	if i := strings.Index(raw, "//"); i >= 0 && i < at {
		return raw[:i+2] + "…" + raw[at:]
	}
	return "…" + raw[at:]
}
