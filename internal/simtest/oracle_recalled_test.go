package simtest_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
)

// snapshot is which endpoints there are from a time on.
type snapshot struct {
	from time.Time
	all  []*webhook.Endpoint
}

// registered notes which endpoints there are from now on. The caller holds mu.
func (o *oracle) registered(all []*webhook.Endpoint) {
	o.snapshots = append(o.snapshots, snapshot{time.Now(), all})
}

// judgeAddressed judges whether what is stored is for the endpoints that there
// were at some moment from the beginning of its Dispatch until now.
func (o *oracle) judgeAddressed(b *webhook.Batch, stored bool) {
	n := eventOf(b.Message.Bodies[0].Data)
	e := o.events[n]
	if !stored || e == nil {
		return
	}
	q := webhook.Query{Scopes: []webhook.Scope{e.scope}, Type: b.Message.Type, Source: b.Message.Source}
	begun := b.Deliveries[0].Created
	var wrong []string
	for i, s := range o.snapshots {
		if i+1 < len(o.snapshots) && o.snapshots[i+1].from.Before(begun) {
			continue
		}
		text := o.differs(b, q, s.all)
		if text == "" {
			return
		}
		wrong = append(wrong, fmt.Sprintf("from %v on %s", s.from.Sub(o.start), text))
	}
	o.violate(ruleAddressed, "event %d, dispatched at %v, recalled %v: %s", n, begun.Sub(o.start), b.Recalled != nil, strings.Join(wrong, "; "))
}

// differs compares b with what a Match of all would lead to.
func (o *oracle) differs(b *webhook.Batch, q webhook.Query, all []*webhook.Endpoint) string {
	want := map[string]*webhook.Endpoint{}
	for _, ep := range all {
		if ep.Matches(q) && o.policies[ep.Policy].Mode != retry.Volatile {
			want[ep.ID] = ep
		}
	}
	for i := range b.Deliveries {
		d := &b.Deliveries[i]
		ep := want[d.EndpointID]
		switch {
		case ep == nil:
			return d.EndpointID + " was not there"
		case (ep.Status == webhook.Disabled) != (d.State == webhook.Cancelled):
			return fmt.Sprintf("%s was %v, its delivery is %v", ep.ID, ep.Status, d.State)
		case ep.Status == webhook.Paused && b.Take != nil && slices.Contains(b.Take.Wanted, i):
			return ep.ID + " was paused, its delivery is to be taken"
		}
		delete(want, d.EndpointID)
	}
	for id := range want {
		return id + " was there"
	}
	return ""
}

// judgeRecalled judges what became of a batch that came with something to check.
func (o *oracle) judgeRecalled(b *webhook.Batch, fresh map[int]bool, err error) {
	switch {
	case errors.Is(err, webhook.ErrOutdated):
		o.seen["recalled: out of date"]++
		o.tell("%s is out of date", b.Message.ID)
		for i := range b.Deliveries {
			if is, there := fresh[i]; is {
				o.violate(ruleOutdated, "%s of %s", b.Deliveries[i].ID, b.Deliveries[i].EndpointID)
			} else if there {
				o.seen["recalled: out of date, stored by an earlier try"]++
			}
		}
	case err == nil && b.Recalled != nil:
		o.seen["recalled: stored"]++
	}
}
