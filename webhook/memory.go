package webhook

import "sync"

// encoded is what lasts as long as the deliveries do: the message, with one
// body, as is common.
type encoded struct {
	msg    Message
	bodies [1]Body
}

// parts is what else a Dispatch allocates. With one endpoint, as is common, it is
// one piece of memory.
type parts struct {
	deliveries []Delivery
	receipts   []Receipted
	batch      *Batch // of what is stored; nil where that is not expected
	job        *job   // of one that is volatile; nil otherwise
}

// many keeps the memory of the deliveries of events with many endpoints, on
// their way into the Queue: the largest thing that such a Dispatch needs, and the
// shortest-lived.
type many struct{ pool sync.Pool }

// parts are made anew but for the deliveries of many endpoints. Those come out of
// d.many only where all of them go back: jobs hold what is volatile, and a
// transaction what it has not committed.
func (d *Dispatcher) parts(endpoints []*Endpoint, outbox Outbox) parts {
	n, stored := len(endpoints), outbox != nil || d.allStored(endpoints)
	switch {
	case n == 1 && stored:
		x := &struct {
			delivery [1]Delivery
			receipt  [1]Receipted
			batch    Batch
		}{}
		return parts{deliveries: x.delivery[:], receipts: x.receipt[:], batch: &x.batch}
	case n == 1:
		x := &struct {
			delivery [1]Delivery
			receipt  [1]Receipted
			job      job
		}{}
		return parts{deliveries: x.delivery[:], receipts: x.receipt[:], job: &x.job}
	}
	p := parts{receipts: make([]Receipted, n)}
	if outbox == nil && stored {
		p.deliveries = d.many.get(n)
	} else {
		p.deliveries = make([]Delivery, n)
	}
	return p
}

// get returns n deliveries, all zero.
func (m *many) get(n int) []Delivery {
	if p, ok := m.pool.Get().(*[]Delivery); ok && cap(*p) >= n {
		return (*p)[:n]
	}
	return make([]Delivery, n)
}

func (d *Dispatcher) allStored(endpoints []*Endpoint) bool {
	for i, ep := range endpoints {
		if i == 0 || ep.Policy != endpoints[i-1].Policy {
			if p, ok := d.policies[ep.Policy]; !ok || !isStored(p, nil) {
				return false
			}
		}
	}
	return true
}

// put takes back what get returned. A single delivery is part of other memory.
func (m *many) put(used []Delivery) {
	if len(used) > 1 {
		clear(used)
		m.pool.Put(&used)
	}
}
