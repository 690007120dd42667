package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tidegate/engine"
)

// quotaPattern is how the text of a quota looks, for the schema.
const quotaPattern = `^ *[^ ,=]+( +(in_flight|queued|share)=[0-9]+)+ *$`

// parseQuotas reads quotas as they are written in text: the tenant's name and what it may have.
func parseQuotas(texts []string) (any, error) {
	var out []engine.Quota
	for _, text := range texts {
		words := strings.Fields(text)
		if len(words) < 2 || strings.Contains(words[0], "=") {
			return nil, fmt.Errorf("%q is no quota: write it as desk-a in_flight=8 queued=100 share=2", short(text))
		}
		q := engine.Quota{Tenant: words[0]}
		for _, word := range words[1:] {
			name, number, _ := strings.Cut(word, "=")
			n, err := strconv.Atoi(number)
			to := map[string]*int{"in_flight": &q.InFlight, "queued": &q.Queued, "share": &q.Share}[name]
			if to == nil || err != nil {
				return nil, fmt.Errorf("%q is no quota: %q is none of in_flight, queued and share with a number", short(text), short(word))
			}
			*to = n
		}
		out = append(out, q)
	}
	return out, nil
}

// quotaTexts writes them.
func quotaTexts(quotas []engine.Quota) []string {
	out := make([]string, len(quotas))
	for i, q := range quotas {
		out[i] = fmt.Sprintf("%s in_flight=%d queued=%d share=%d", q.Tenant, q.InFlight, q.Queued, q.Share)
	}
	return out
}
