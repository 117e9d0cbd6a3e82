package webhooktest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/outhook/outhook/internal/pool"
	"github.com/outhook/outhook/webhook"
)

// Network is a network in memory: hosts with names and handlers, real HTTP
// servers behind net.Pipe. It opens no socket, so that it works in a
// testing/synctest bubble with virtual time.
type Network struct {
	mu      sync.Mutex
	hosts   map[string]*host
	dials   int
	servers *pool.Pool
}

type host struct {
	listener *listener
	end      func() // ends what listens, and its connections
}

// NewNetwork returns an empty network that closes when the test ends. In a
// synctest bubble call it inside, with the bubble's T.
func NewNetwork(tb testing.TB) *Network {
	tb.Helper()
	n := &Network{hosts: make(map[string]*host), servers: pool.New(pool.Options{})}
	tb.Cleanup(n.Close)
	return n
}

// Handle lets h answer for a host, as "example.com", on every port.
func (n *Network) Handle(name string, h http.Handler) {
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	srv := &http.Server{Handler: h}
	done := make(chan struct{})
	n.add(name, &host{listener: l, end: func() {
		_ = srv.Close()
		<-done
	}})
	n.servers.Go(func() {
		defer close(done)
		_ = srv.Serve(l)
	})
}

// add replaces a host of the same name.
func (n *Network) add(name string, x *host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if old := n.hosts[name]; old != nil {
		old.end()
	}
	n.hosts[name] = x
}

// Receiver adds a host with a scripted Receiver, and returns it.
func (n *Network) Receiver(name string, script ...Answer) *Receiver {
	r := NewReceiver(script...)
	n.Handle(name, r)
	return r
}

// Transport returns a profile, named "memory", that dials into this network
// and nowhere else.
func (n *Network) Transport() webhook.Transport {
	return webhook.Transport{Name: "memory", DialContext: n.DialContext}
}

// DialContext connects to a host of this network.
func (n *Network) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("webhooktest: %w", err)
	}
	n.mu.Lock()
	n.dials++
	x := n.hosts[name]
	n.mu.Unlock()
	if x == nil {
		return nil, &net.DNSError{Err: "no such host in this network", Name: name, IsNotFound: true}
	}
	client, server := net.Pipe()
	select {
	case x.listener.conns <- server:
		return client, nil
	case <-x.listener.closed:
		return nil, errors.New("webhooktest: connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Dials returns how many connections were asked for.
func (n *Network) Dials() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials
}

// Close ends all hosts and their connections.
func (n *Network) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name, x := range n.hosts {
		x.end()
		delete(n.hosts, name)
	}
}

// listener hands over connections that were made in memory.
type listener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return memoryAddr{} }

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "memory" }
