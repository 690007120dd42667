package replay

import (
	"bytes"
	"io"
	"testing"

	"github.com/tidegate/engine/internal/desk/market"
)

func FuzzParsers(f *testing.F) {
	f.Add([]byte(`[[1570752011620,"1",null,"sell",0.00141342,23.0,0.03],[1570752011620,"2",null,"buy",0.0014,5.0,0.1]]`))
	f.Add([]byte("timestamp,open,high,low,close,volume\n2021-12-31 23:01:00.000000,46319.0,46385.0,46319.0,46377.0,2300413.7295\n"))
	f.Add([]byte("20200101 170000065,1.121200,1.121720,0\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		for symbol, parse := range map[string]func(io.Reader, market.Listing) ([]market.Event, error){
			"XRP/ETH": parseTrades, "BTC-PERP": parseBars, "EUR/USD": parseQuotes,
		} {
			l, err := listing(symbol)
			if err != nil {
				t.Fatal(err)
			}
			events, err := parse(bytes.NewReader(content), l)
			if err != nil && len(events) > 0 {
				t.Errorf("%s: %d events beside an error", symbol, len(events))
			}
			for _, e := range events {
				if e.Instrument != l.ID || e.Kind == 0 {
					t.Errorf("%s: event %+v", symbol, e)
				}
			}
		}
	})
}
