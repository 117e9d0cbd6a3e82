package storetest

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/outhook/outhook/webhook"
)

// Features is a set of things that a store may offer, as History|Purger.
type Features uint32

// What a store may offer beyond webhook.Queue.
const (
	// EndpointStore is Store.Endpoints, with a way to register: Store.Register
	// or a [webhook.EndpointAdmin].
	EndpointStore Features = 1 << iota
	// EndpointAdmin is a [webhook.EndpointAdmin] in Store.Endpoints.
	EndpointAdmin
	// Transactions is Store.Begin.
	Transactions
	// TxMatcher is a [webhook.Matcher] in Tx.Outbox.
	TxMatcher
	// Peers is Store.Peer.
	Peers
	// BatchOutbox is [webhook.BatchOutbox].
	BatchOutbox
	// Extender is [webhook.Extender].
	Extender
	// Listener is [webhook.Listener].
	Listener
	// RateLimiter is [webhook.RateLimiter].
	RateLimiter
	// History is [webhook.History].
	History
	// Canceler is [webhook.Canceler].
	Canceler
	// Counter is [webhook.Counter].
	Counter
	// Purger is [webhook.Purger].
	Purger
	// Take is a Queue that answers [webhook.Take].
	Take
	// Recall is a [webhook.Recaller] that is both Store.Queue and
	// Store.Endpoints, remembers something, and is a [webhook.EndpointAdmin].
	Recall
	// Corruption is Store.Corrupt.
	Corruption

	// All is everything.
	All = Corruption<<1 - 1
)

// featureNames has the names in the order of the bits.
func featureNames() []string {
	return []string{
		"EndpointStore", "EndpointAdmin", "Transactions", "TxMatcher", "Peers", "BatchOutbox", "Extender",
		"Listener", "RateLimiter", "History", "Canceler", "Counter", "Purger", "Take", "Recall", "Corruption",
	}
}

// String returns the names in the set, as "History|Purger"; none is "none".
func (f Features) String() string {
	if f == 0 {
		return "none"
	}
	var out []string
	for i, name := range featureNames() {
		if f&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return strings.Join(out, "|")
}

// each returns the members of the set one by one.
func (f Features) each() []Features {
	var out []Features
	for bit := Features(1); bit != 0 && bit <= f; bit <<= 1 {
		if f&bit != 0 {
			out = append(out, bit)
		}
	}
	return out
}

// offers finds out what s has.
func offers(t *testing.T, s Store) Features {
	t.Helper()
	if s.Queue == nil {
		t.Fatal("Store.Queue is nil; it is what is tested")
	}
	_, admin := s.Endpoints.(webhook.EndpointAdmin)
	_, batches := s.Queue.(webhook.BatchOutbox)
	_, extends := s.Queue.(webhook.Extender)
	_, listens := s.Queue.(webhook.Listener)
	_, limits := s.Queue.(webhook.RateLimiter)
	_, remembers := s.Queue.(webhook.History)
	_, cancels := s.Queue.(webhook.Canceler)
	_, counts := s.Queue.(webhook.Counter)
	_, purges := s.Queue.(webhook.Purger)
	var set Features
	for _, f := range []struct {
		there bool
		is    Features
	}{
		{there: s.Endpoints != nil && (admin || s.Register != nil), is: EndpointStore},
		{there: admin, is: EndpointAdmin},
		{there: s.Begin != nil, is: Transactions},
		{there: matchesInTx(t, s), is: TxMatcher},
		{there: s.Peer != nil, is: Peers},
		{there: batches, is: BatchOutbox},
		{there: extends, is: Extender},
		{there: listens, is: Listener},
		{there: limits, is: RateLimiter},
		{there: remembers, is: History},
		{there: cancels, is: Canceler},
		{there: counts, is: Counter},
		{there: purges, is: Purger},
		{there: takes(t, s), is: Take},
		{there: admin && recalls(t, s), is: Recall},
		{there: s.Corrupt != nil, is: Corruption},
	} {
		if f.there {
			set |= f.is
		}
	}
	return set
}

// recalls looks for what the dispatcher looks for, and whether anything is ever
// remembered.
func recalls(t *testing.T, s Store) bool {
	t.Helper()
	r, ok := s.Queue.(webhook.Recaller)
	if !ok || !reflect.ValueOf(s.Queue).Comparable() || any(s.Queue) != any(s.Endpoints) {
		return false
	}
	q := webhook.Query{Scopes: []webhook.Scope{webhook.In("storetest", "recalls")}, Type: "storetest.recalls"}
	if _, err := s.Endpoints.Match(context.Background(), q); err != nil {
		t.Errorf("Match: %v", err)
	}
	_, check := r.Recall(s.Queue, q)
	return check != nil
}

func matchesInTx(t *testing.T, s Store) bool {
	t.Helper()
	if s.Begin == nil {
		return false
	}
	tx, err := s.Begin(context.Background())
	if err != nil {
		t.Errorf("Store.Begin: %v", err)
		return false
	}
	_, ok := tx.Outbox.(webhook.Matcher)
	if err := tx.Rollback(); err != nil {
		t.Errorf("Tx.Rollback: %v", err)
	}
	return ok
}

// takes asks for a claim that nothing stands against: whether a store knows
// Take shows in its answer alone.
func takes(t *testing.T, s Store) bool {
	t.Helper()
	e := &env{}
	b := asks(e.batch("a"), never, 0)
	if _, err := s.Queue.Enqueue(context.Background(), b); err != nil {
		t.Errorf("Enqueue with a Take: %v", err)
	}
	return len(b.Take.Taken) > 0
}
