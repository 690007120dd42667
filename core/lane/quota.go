package lane

// Quota bounds what one tenant may take of a lane. Each lane counts for itself. Zero fields are no bound.
type Quota struct {
	InFlight int // calls whose turn has come: members of a group not yet committed, sessions that hold a connection
	Queued   int // calls that wait
	Share    int // turns in a round among the tenants that wait, 1 where it is 0
}

// Quotas says what tenants may take.
type Quotas struct {
	Default Quota            // of tenants that are not listed
	Tenants map[string]Quota // by name
}

// of is the quota of a tenant. Calls that name no tenant share a place in the round and have no bound.
func (q *Quotas) of(name string) Quota {
	if name == "" {
		return Quota{}
	}
	if own, ok := q.Tenants[name]; ok {
		return own
	}
	return q.Default
}

// tenant is what a lane knows of one on whose behalf calls are made. It is forgotten when it has none.
type tenant struct {
	name     string
	quota    Quota
	inFlight int // counted only where the quota bounds it
	queued   int
	flows    [classes]flow
}

func (t *tenant) share() int { return max(1, t.quota.Share) }

// full reports whether no more of its calls may be in flight.
func (t *tenant) full() bool { return t.quota.InFlight > 0 && t.inFlight >= t.quota.InFlight }

// tenancy is who has calls in a lane. Its owner's lock guards it.
type tenancy struct {
	quotas Quotas
	nobody tenant // of calls that name none
	named  map[string]*tenant
}

// find returns the tenant of that name.
func (y *tenancy) find(name string) *tenant {
	if name == "" {
		return &y.nobody
	}
	t := y.named[name]
	if t == nil {
		t = &tenant{name: name, quota: y.quotas.of(name)}
		if y.named == nil {
			y.named = map[string]*tenant{}
		}
		y.named[name] = t
	}
	return t
}

// forget drops a tenant that has nothing in the lane, so that names that come and go leave nothing behind.
func (y *tenancy) forget(t *tenant) {
	if t.inFlight == 0 && t.queued == 0 && t.name != "" {
		for i := range t.flows {
			if t.flows[i].listed() {
				return // tickets of callers who gave up are still in line
			}
		}
		if y.named[t.name] == t {
			delete(y.named, t.name)
		}
	}
}
