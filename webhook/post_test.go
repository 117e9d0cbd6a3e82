package webhook_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
)

// serveRaw accepts connections on loopback and hands each to f.
func serveRaw(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f(c)
		}
	}()
	return "http://" + l.Addr().String() + "/hook"
}

// direct returns a dispatcher that reaches loopback, and where its deliveries
// end.
func direct(t *testing.T) (*webhook.Dispatcher, chan webhook.Delivery) {
	t.Helper()
	ended := make(chan webhook.Delivery, 1000)
	d, err := webhook.New(webhook.Config{
		Transports: []webhook.Transport{{Name: "local", Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}},
		Hooks:      webhook.Hooks{Ended: func(_ context.Context, dl webhook.Delivery) { ended <- dl }},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Shutdown(context.Background()) })
	return d, ended
}

func TestAReceiverThatHangsUpCostsFewConnections(t *testing.T) {
	var accepted atomic.Int64
	url := serveRaw(t, func(c net.Conn) {
		accepted.Add(1)
		_ = c.Close()
	})
	d, ended := direct(t)
	if _, err := d.DispatchTo(context.Background(), leadCreated{Email: "x"}, webhook.Endpoint{URL: url}); err != nil {
		t.Fatal(err)
	}
	if dl := <-ended; dl.State != webhook.Failed {
		t.Errorf("ended %v, want failed", dl.State)
	}
	if n := accepted.Load(); n > 3 {
		t.Errorf("one attempt made %d connections, want at most 3", n)
	}
}

func TestConnectionsThatEndWhileIdleDuplicateNothing(t *testing.T) {
	const events = 200
	var requests atomic.Int64
	url := serveRaw(t, func(c net.Conn) {
		defer c.Close()
		r := bufio.NewReader(c)
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		requests.Add(1)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		time.Sleep(time.Duration(requests.Load()%3) * 200 * time.Microsecond) // then it ends, unannounced
	})
	d, ended := direct(t)
	delivered, failed := 0, 0
	for range events {
		if _, err := d.DispatchTo(context.Background(), leadCreated{Email: "x"}, webhook.Endpoint{URL: url}); err != nil {
			t.Fatal(err)
		}
		if dl := <-ended; dl.State == webhook.Delivered {
			delivered++
		} else {
			failed++
		}
	}
	if n := requests.Load(); n > events || n < int64(delivered) {
		t.Errorf("%d events made %d requests, %d of them delivered", events, n, delivered)
	}
	t.Logf("%d delivered, %d broke off with bytes on the wire", delivered, failed)
}
