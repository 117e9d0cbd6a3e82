package netguard_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// fakeDNS answers Go's own resolver over pipes. Each name has a sequence of
// answers; every pair of A and AAAA questions takes the next one, and the last
// one stays.
type fakeDNS struct {
	mu      sync.Mutex
	answers map[string][]string // the addresses of one answer apart by spaces
	asked   map[string]int      // by name and type
	silent  bool
	closed  bool
	wg      sync.WaitGroup
}

func newDNS(tb testing.TB, answers map[string][]string) *fakeDNS {
	tb.Helper()
	d := &fakeDNS{answers: answers, asked: map[string]int{}}
	tb.Cleanup(func() {
		d.mu.Lock()
		d.closed = true
		d.mu.Unlock()
		d.wg.Wait()
	})
	return d
}

func (d *fakeDNS) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.closed {
			return nil, net.ErrClosed
		}
		client, server := net.Pipe()
		d.wg.Go(func() {
			defer func() { _ = server.Close() }()
			d.serve(server)
		})
		return client, nil
	}}
}

// serve answers questions in the framing of DNS over TCP, RFC 1035, 4.2.2.
func (d *fakeDNS) serve(conn net.Conn) {
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		if d.silent {
			continue
		}
		answer := d.answer(query)
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

const typeA, typeAAAA = 1, 28

func (d *fakeDNS) answer(query []byte) []byte {
	var labels []string
	at := 12
	for query[at] != 0 {
		n := int(query[at])
		labels = append(labels, string(query[at+1:at+1+n]))
		at += n + 1
	}
	at++
	question := query[12 : at+4]
	kind := binary.BigEndian.Uint16(query[at:])
	addrs, known := d.next(strings.ToLower(strings.Join(labels, ".")), kind)

	var records []byte
	count := uint16(0)
	for _, a := range addrs {
		if a.Is4() != (kind == typeA) {
			continue
		}
		count++
		raw := a.AsSlice()
		records = append(records, 0xc0, 12)
		records = binary.BigEndian.AppendUint16(records, kind)
		records = append(records, 0, 1, 0, 0, 0, 0)
		records = binary.BigEndian.AppendUint16(records, uint16(len(raw)))
		records = append(records, raw...)
	}
	flags := uint16(0x8580)
	if !known {
		flags |= 3 // no such name
	}
	out := append([]byte(nil), query[:2]...)
	out = binary.BigEndian.AppendUint16(out, flags)
	out = append(out, 0, 1)
	out = binary.BigEndian.AppendUint16(out, count)
	out = append(out, 0, 0, 0, 0)
	return append(append(out, question...), records...)
}

func (d *fakeDNS) next(name string, kind uint16) (addrs []netip.Addr, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	seq, known := d.answers[name]
	if !known || kind != typeA && kind != typeAAAA {
		return nil, known
	}
	key := name
	if kind == typeAAAA {
		key += "/6"
	}
	n := min(d.asked[key], len(seq)-1)
	d.asked[key]++
	for a := range strings.FieldsSeq(seq[n]) {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs, true
}
