package sdk_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
)

func TestMessage(t *testing.T) {
	t.Parallel()
	var m sdk.Message
	if got := m.Start("qty ").Int(-5).Text(" at ").Float(1.5).Text("; ").Cell(sdk.Cell{}).String(); got != "qty -5 at 1.5; NULL" {
		t.Errorf("%q", got)
	}
	long := m.Start(strings.Repeat("é", 127)).Text("xéy").Text("z").String()
	if len(long) > abi.MaxMessage || !utf8.ValidString(long) || !strings.HasSuffix(long, "x") {
		t.Errorf("%d bytes, %q at the end", len(long), long[250:])
	}
}

func TestMessageAllocatesNothing(t *testing.T) {
	var m sdk.Message
	if n := testing.AllocsPerRun(20, func() { _ = m.Start("a").Int(1 << 60).Float(0.1).String() }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
