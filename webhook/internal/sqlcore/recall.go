package sqlcore

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/outhook/outhook/webhook"
)

// recalled is what a Match found, and what an Enqueue can check it by. It does not
// change.
type recalled struct {
	of    *Store
	key   string
	found []*webhook.Endpoint
	until time.Time // when it is forgotten
	// scopes are those of the query, and versions tell what row of each endpoint was
	// read, in the order of their seq. PostgreSQL knows a row's version by the
	// transaction that wrote it, its xmin; only a standby that takes over without the
	// last commits gives out such a number again.
	scopes, versions string
}

// matches remembers what was matched lately, by the scopes. It forgets all once it
// holds much, since hosts have as many scopes as customers.
type matches struct {
	mu        sync.RWMutex
	byScopes  map[string]*recalled
	endpoints int
	swept     time.Time // when those whose time is over were last dropped
}

const (
	// rememberedFor is far less than it takes until the number of a transaction
	// comes again.
	rememberedFor  = time.Minute
	mostRemembered = 64     // endpoints of one match; events for more are rare
	mostInAll      = 10_000 // matches, and endpoints of all
	version        = `e.tableoid || '.' || e.seq || '.' || e.xmin`
)

// What of c a Match would read other versions for. Neither form serves for both
// where a plan was made before there were statistics, or few endpoints: the first
// goes by the index, as a rule, and takes seconds for hundreds where it does not;
// the other is one join, which then reads the whole table, once.
const (
	outdatedOfOne = `SELECT c.i FROM c WHERE coalesce((SELECT string_agg(` + version + `, ',' ORDER BY e.seq)
   FROM outhook_endpoint e WHERE e.scope = ANY (c.scopes::text[])), '') <> c.versions`
	outdatedOfMany = `SELECT c.i FROM c LEFT JOIN (SELECT c.i, string_agg(` + version + `, ',' ORDER BY e.seq) AS versions
   FROM c CROSS JOIN LATERAL unnest(c.scopes::text[]) AS x(scope) JOIN outhook_endpoint e ON e.scope = x.scope GROUP BY c.i) f ON f.i = c.i
   WHERE coalesce(f.versions, '') <> c.versions`
)

// recallKey names a set of scopes, in their order.
func recallKey(scopes []webhook.Scope) string {
	if len(scopes) == 1 {
		return string(scopes[0])
	}
	var b strings.Builder
	for _, s := range scopes {
		b.WriteString(string(s))
		b.WriteByte(0) // which is in no scope
	}
	return b.String()
}

// remember keeps what a Match found in committed rows.
func (s *Store) remember(scopes []webhook.Scope, found []*webhook.Endpoint, versions []string) {
	if len(found) > mostRemembered {
		return
	}
	var list array
	for _, scope := range scopes {
		list.string(asStored(string(scope)))
	}
	list.string(string(webhook.Everywhere))
	r := &recalled{
		of: s, key: recallKey(scopes), found: found, until: time.Now().Add(rememberedFor),
		scopes: list.text(), versions: strings.Join(versions, ","),
	}
	m := &s.matches
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep(time.Now())
	if m.byScopes == nil || len(m.byScopes) >= mostInAll || m.endpoints >= mostInAll {
		m.byScopes, m.endpoints = make(map[string]*recalled), 0
	}
	if old := m.byScopes[r.key]; old != nil {
		m.endpoints -= len(old.found)
	}
	m.byScopes[r.key] = r
	m.endpoints += len(found)
}

// sweep drops what is remembered too long, at most as often as that takes: an
// endpoint that was removed has secrets.
func (m *matches) sweep(now time.Time) {
	if now.Sub(m.swept) < rememberedFor {
		return
	}
	m.swept = now
	for key, r := range m.byScopes {
		if now.After(r.until) {
			delete(m.byScopes, key)
			m.endpoints -= len(r.found)
		}
	}
}

// Recall is webhook.Recaller's for a queue that is the store itself, on PostgreSQL;
// elsewhere nothing is remembered.
func (s *Store) Recall(q webhook.Query) ([]*webhook.Endpoint, any) {
	if s.d != PostgreSQL {
		return nil, nil
	}
	key := recallKey(q.Scopes)
	s.matches.mu.RLock()
	r := s.matches.byScopes[key]
	s.matches.mu.RUnlock()
	if r == nil {
		return nil, nil
	}
	if time.Now().After(r.until) {
		s.forget([]*recalled{r})
		return nil, nil
	}
	return r.found, r
}

// forget drops what was found to be out of date, unless it was matched anew since.
func (s *Store) forget(checks []*recalled) {
	m := &s.matches
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range checks {
		if m.byScopes[r.key] == r {
			delete(m.byScopes, r.key)
			m.endpoints -= len(r.found)
		}
	}
}

// checks returns what batches are to be checked by, each once.
func (s *Store) checks(batches []*webhook.Batch) ([]*recalled, error) {
	var all []*recalled
	for _, b := range batches {
		if b.Recalled == nil {
			continue
		}
		r, ok := b.Recalled.(*recalled)
		if !ok || r.of != s {
			return nil, errors.New("the Recalled of a batch is not of this store; it is what its Recall returned")
		}
		if !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all, nil
}

// outdatedBatches is the error for those that are to be checked by one of checks.
func outdatedBatches(batches []*webhook.Batch, checks []*recalled) error {
	o := &webhook.OutdatedError{}
	for i, b := range batches {
		if r, ok := b.Recalled.(*recalled); ok && slices.Contains(checks, r) {
			o.Batches = append(o.Batches, i)
		}
	}
	return o
}

// checkArgs are checks as the statement takes them.
func checkArgs(checks []*recalled) []any {
	var scopes, versions array
	for _, r := range checks {
		scopes.string(r.scopes)
		versions.string(r.versions)
	}
	return []any{scopes.text(), versions.text()}
}
