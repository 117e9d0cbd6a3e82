package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/outhook/outhook/internal/pool"
)

// world is everything outside of us: one server behind every address, and the
// name server.
type world struct {
	servers *pool.Pool
	ends    []func()

	mu      sync.Mutex
	met     []netip.Addr
	barrier bool
	name    string
	answers []string
	asked   map[uint16]int // by type
}

func newWorld(ctx context.Context) (*world, error) {
	w := &world{servers: pool.New(pool.Options{}), asked: make(map[uint16]int)}
	var conf net.ListenConfig
	for port := range strings.FieldsSeq("80 8080 " + badPorts) {
		l, err := conf.Listen(ctx, "tcp", "[::]:"+port)
		if err != nil {
			w.close()
			return nil, fmt.Errorf("listen: %w", err)
		}
		s := &http.Server{Handler: http.HandlerFunc(answer), ConnState: w.state, ReadHeaderTimeout: time.Minute}
		w.ends = append(w.ends, func() { _ = s.Close() })
		w.servers.Go(func() { _ = s.Serve(l) })
	}
	dns, err := conf.ListenPacket(ctx, "udp4", "127.0.0.1:53")
	if err != nil {
		w.close()
		return nil, fmt.Errorf("name server: %w", err)
	}
	w.ends = append(w.ends, func() { _ = dns.Close() })
	w.servers.Go(func() { w.resolve(dns) })
	return w, nil
}

func (w *world) close() {
	for _, end := range w.ends {
		end()
	}
	w.servers.Wait()
}

// state notes each connection when it is accepted, whatever comes of it.
func (w *world) state(c net.Conn, s http.ConnState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s == http.StateNew && !w.barrier {
		w.met = append(w.met, localAddr(c))
	}
}

// begin forgets what was seen, and sets what the name server answers.
func (w *world) begin(name string, answers []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.met, w.name, w.answers = nil, name, answers
	clear(w.asked)
}

// seen returns the addresses at which connections arrived, in order. The row's
// process has ended; what it opened stands in the queues before what is opened
// here.
func (w *world) seen(ctx context.Context) ([]netip.Addr, error) {
	w.mu.Lock()
	before := len(w.met)
	w.mu.Unlock()
	const ours = "127.9.9.9"
	ports := strings.Fields("80 8080 " + badPorts)
	for _, port := range ports {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", ours+":"+port)
		if err != nil {
			return nil, fmt.Errorf("look: %w", err)
		}
		_ = c.Close()
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		w.mu.Lock()
		var theirs []netip.Addr
		mine := 0
		for _, a := range w.met {
			if a.String() == ours {
				mine++
			} else {
				theirs = append(theirs, a)
			}
		}
		w.mu.Unlock()
		if mine == len(ports) {
			return theirs, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("the server does not answer any more (%d seen)", before)
		}
		<-time.After(100 * time.Microsecond)
	}
}

// resolve answers questions for A and AAAA records (RFC 1035).
func (w *world) resolve(conn net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if reply := w.reply(buf[:n]); reply != nil {
			_, _ = conn.WriteTo(reply, from) // who asked will ask again
		}
	}
}

const (
	typeA, typeAAAA = 1, 28
	headerSize      = 12
)

func (w *world) reply(query []byte) []byte {
	name, end := question(query)
	if end == 0 {
		return nil
	}
	kind := binary.BigEndian.Uint16(query[end-4:])
	addrs, known := w.next(name, kind)
	flags := uint16(0x8180)
	if !known {
		flags |= 3 // no such name
	}
	out := append([]byte(nil), query[:2]...)
	out = binary.BigEndian.AppendUint16(out, flags)
	out = append(out, 0, 1)
	out = binary.BigEndian.AppendUint16(out, uint16(len(addrs))) //nolint:gosec // a few
	out = append(out, 0, 0, 0, 0)
	out = append(out, query[headerSize:end]...)
	for _, a := range addrs {
		raw := a.AsSlice()
		out = append(out, 0xc0, headerSize)
		out = binary.BigEndian.AppendUint16(out, kind)
		out = append(out, 0, 1, 0, 0, 0, 0)
		out = binary.BigEndian.AppendUint16(out, uint16(len(raw))) //nolint:gosec // 4 or 16
		out = append(out, raw...)
	}
	return out
}

// question returns the name that is asked for and where the question ends, 0
// for what is none.
func question(query []byte) (name string, end int) {
	var labels []string
	at := headerSize
	for at < len(query) && query[at] != 0 {
		next := at + 1 + int(query[at])
		if next > len(query) {
			return "", 0
		}
		labels = append(labels, string(query[at+1:next]))
		at = next
	}
	if at+5 > len(query) {
		return "", 0
	}
	return strings.ToLower(strings.Join(labels, ".")), at + 5
}

// next returns the next answer for a name and a type.
func (w *world) next(name string, kind uint16) (addrs []netip.Addr, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if name != w.name || len(w.answers) == 0 {
		return nil, false
	}
	n := min(w.asked[kind], len(w.answers)-1)
	w.asked[kind]++
	for s := range strings.FieldsSeq(w.answers[n]) {
		if a := netip.MustParseAddr(s); a.Is4() == (kind == typeA) && (kind == typeA || kind == typeAAAA) {
			addrs = append(addrs, a)
		}
	}
	return addrs, true
}
