package main

import (
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/tidegate/engine/core/bulk"
	"github.com/tidegate/engine/core/bulk/parquet"
)

// fileFormat is the part of a command line that says how a file is written.
type fileFormat struct {
	name      string
	null      string
	delimiter string
	columns   string
	noHeader  bool
	bigAsText bool
}

// fileFormatFlags adds what import and export have in common.
func fileFormatFlags(f *flag.FlagSet) *fileFormat {
	var o fileFormat
	f.StringVar(&o.name, "format", "", "csv, jsonl or parquet; without it the file's name decides: .csv, .tsv, .jsonl, .ndjson, .parquet")
	f.StringVar(&o.null, "null", "", "CSV: the `sign` for NULL, without quotes; as it is, nothing between two commas")
	f.StringVar(&o.delimiter, "delimiter", ",", `CSV: the `+"`character`"+` between values; "tab" for a tab`)
	return &o
}

// format makes the format for the file at path.
func (o *fileFormat) format(path string) (bulk.Format, error) {
	name := o.name
	if name == "" {
		switch strings.ToLower(filepath.Ext(path)) {
		case ".csv":
			name = "csv"
		case ".tsv":
			name, o.delimiter = "csv", "tab"
		case ".jsonl", ".ndjson":
			name = "jsonl"
		case ".parquet":
			name = "parquet"
		default:
			if path == "-" {
				return nil, fmt.Errorf("without a file name nothing tells the format: say --format csv, jsonl or parquet")
			}
			return nil, fmt.Errorf("%q does not tell the format: say --format csv, jsonl or parquet", path)
		}
	}
	switch name {
	case "jsonl":
		return bulk.JSONLines{BigAsText: o.bigAsText}, nil
	case "parquet":
		return parquet.Format{}, nil
	case "csv":
	default:
		return nil, fmt.Errorf("--format takes csv, jsonl or parquet, not %q", name)
	}
	csv := bulk.CSV{Null: o.null, NoHeader: o.noHeader}
	switch {
	case o.delimiter == "tab" || o.delimiter == `\t`:
		csv.Comma = '\t'
	case len(o.delimiter) == 1 && o.delimiter[0] < utf8.RuneSelf:
		csv.Comma = o.delimiter[0]
	default:
		return nil, fmt.Errorf("--delimiter takes one ASCII character or tab, not %q", o.delimiter)
	}
	if o.columns != "" {
		csv.Columns = strings.Split(o.columns, ",")
	}
	return csv, nil
}

// pairs collects name=value flags.
type pairs map[string]string

// String is what the flag package shows as default: nothing.
func (p pairs) String() string { return "" }

// Set reads one pair.
func (p pairs) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return fmt.Errorf("want name=value")
	}
	if _, twice := p[name]; twice {
		return fmt.Errorf("%s is there twice", name)
	}
	p[name] = value
	return nil
}

// progressLine shows how far an import or an export is.
func progressLine(p bulk.Progress) string {
	line := fmt.Sprintf("%4.0f s  %9d rows  %7.0f rows/s", p.Elapsed.Seconds(), p.Rows, p.PerSecond)
	if p.Total > 0 {
		line += fmt.Sprintf("  %3.0f %%", 100*p.Part)
	}
	if p.Rejected > 0 {
		line += fmt.Sprintf("  %d refused", p.Rejected)
	}
	return line
}
