package webhook

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/signer"
)

// hopsAfter returns how many dispatches a message of ctx has behind it, its own
// included: one more than the request has that ctx came with, and none without
// such a request.
func (d *Dispatcher) hopsAfter(ctx context.Context) (int, error) {
	received, _, ok := signer.FromContext(ctx)
	if !ok {
		return 0, nil
	}
	hops := received.Hops + 1
	if hops > d.cfg.MaxHops {
		return 0, fmt.Errorf("%w: message %q has %d hops behind it, Config.MaxHops is %d",
			ErrLoop, clip(received.ID), received.Hops, d.cfg.MaxHops)
	}
	return hops, nil
}

// carryHops stores the count with each body, so that every attempt and every
// redelivery carries it, whatever process makes it.
func carryHops(m *Message, hops int) {
	if hops == 0 {
		return
	}
	h := payload.Header{Name: signer.HopsHeader, Value: strconv.Itoa(hops)}
	for i := range m.Bodies {
		b := &m.Bodies[i]
		b.Header = append(slices.Clip(b.Header), h)
	}
}
