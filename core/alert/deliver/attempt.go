package deliver

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// mostMessages is how many messages a sink may make of one alert.
const mostMessages = 16

// tray is the outbox that a sink sees: it collects, and nothing leaves before the sink has said that all is well.
type tray struct {
	to   map[string]*destination
	sent []addressed
}

type addressed struct {
	to *destination
	p  sdk.Post
}

// Post implements contract.Outbox.
func (t *tray) Post(_ context.Context, endpoint string, message []byte) (bool, error) {
	d := t.to[endpoint]
	if d == nil || len(t.sent) >= mostMessages {
		return false, nil
	}
	p, err := sdk.ParsePost(message)
	if err != nil {
		return false, nil // an author's mistake, not one of the host
	}
	t.sent = append(t.sent, addressed{d, p})
	return true, nil
}

// attempt asks the sink, and sends what it makes of the alert. now is the instant that the sink sees.
func (k *Courier) attempt(ctx context.Context, to contract.Sink, a *alert.Alert, key string) (r result) {
	ctx, cancel := context.WithTimeout(ctx, k.c.Patience.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			r = result{fate: again, reason: fmt.Sprintf("the sink panicked: %T", p)}
		}
	}()
	now := k.c.Clock.Now()
	t := &tray{to: k.outbox.to}
	out, err := to.Notify(contract.WithOutbox(ctx, t), []sdk.Alert{notice(a)}, now)
	if err != nil {
		return result{fate: again, reason: err.Error()}
	}
	for _, v := range out.Verdicts {
		switch v.Action {
		case abi.Retry:
			return result{fate: again, after: min(time.Duration(v.Aux)*time.Second, longestPause), reason: "the sink says: " + v.Message}
		case abi.Drop:
			return result{fate: never, reason: "the sink says: " + v.Message}
		}
	}
	r = result{reason: "the sink took it"}
	for i, m := range t.sent {
		part := key
		if i > 0 {
			part += "-" + strconv.Itoa(i+1)
		}
		if r = m.to.post(ctx, &m.p, part, now); r.fate != arrived {
			return r
		}
	}
	return r
}
