package netguard_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/internal/netguard"
)

// TestDialEndsWithRequest holds that no dial outlives the request that it is
// for, and that the next request is not kept waiting by it.
func TestDialEndsWithRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials, under atomic.Int64
		w := netguard.NewWire(&http.Transport{}, func(ctx context.Context, _, _ string) (net.Conn, error) {
			dials.Add(1)
			under.Add(1)
			defer under.Add(-1)
			<-ctx.Done()
			return nil, ctx.Err()
		})
		defer w.Close()
		for i := range int64(3) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if resp, err := w.RoundTrip(post(ctx, t, "http://hangs.test/", "hello")); err == nil {
				_ = resp.Body.Close()
				t.Error("RoundTrip = nil, want an error")
			}
			cancel()
			synctest.Wait()
			if got := under.Load(); got != 0 {
				t.Errorf("%d dials are under way after the request, want 0", got)
			}
			if got := dials.Load(); got != i+1 {
				t.Errorf("%d dials after %d requests", got, i+1)
			}
		}
	})
}

// TestDialsAsManyAsRequests answers slowly and connects more slowly still: a
// request that finds no idle connection gets the next one that becomes free.
func TestDialsAsManyAsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int64
		var servers sync.WaitGroup
		w := netguard.NewWire(&http.Transport{MaxIdleConnsPerHost: 100, MaxResponseHeaderBytes: 64 << 10}, func(context.Context, string, string) (net.Conn, error) {
			dials.Add(1)
			time.Sleep(300 * time.Millisecond)
			client, server := net.Pipe()
			servers.Go(func() {
				answer(server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", func(*http.Request) { time.Sleep(100 * time.Millisecond) })
			})
			return client, nil
		})
		const workers = 4
		var wg sync.WaitGroup
		start := time.Now()
		for i := range workers {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 70 * time.Millisecond)
				for range 25 {
					resp, err := w.RoundTrip(post(t.Context(), t, "http://receiver.test/", "hello"))
					if err != nil {
						t.Errorf("RoundTrip = %v, want nil", err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					time.Sleep(time.Duration(i) * time.Millisecond)
				}
			})
		}
		wg.Wait()
		if got := dials.Load(); got > workers {
			t.Errorf("%d requests at a time opened %d connections", workers, got)
		}
		// 25 answers of 100 ms, a dial, and the late start of the last worker.
		if got, most := time.Since(start), 3200*time.Millisecond; got > most {
			t.Errorf("the requests took %v, want at most %v", got, most)
		}
		w.Close()
		servers.Wait()
	})
}

// answer answers the requests of a connection, each after think, until it ends.
func answer(server net.Conn, text string, think func(*http.Request)) {
	for br := bufio.NewReader(server); ; {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		think(req)
		_, _ = io.WriteString(server, text)
	}
}

// TestDialPatience holds that a request which waits for another's dial does
// not wait for long.
func TestDialPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int64
		var servers sync.WaitGroup
		w := netguard.NewWire(&http.Transport{MaxIdleConnsPerHost: 100, MaxResponseHeaderBytes: 64 << 10}, func(ctx context.Context, _, _ string) (net.Conn, error) {
			if dials.Add(1) == 2 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			client, server := net.Pipe()
			servers.Go(func() {
				answer(server, "HTTP/1.1 204 No Content\r\n\r\n", func(req *http.Request) {
					d, _ := time.ParseDuration(req.URL.Query().Get("for"))
					time.Sleep(d)
				})
			})
			return client, nil
		})
		var wg sync.WaitGroup
		for _, r := range []struct{ at, takes, ends time.Duration }{
			{at: 0, takes: time.Second, ends: time.Second},                                                     // makes the first connection
			{at: 500 * time.Millisecond, takes: 9 * time.Second, ends: 10 * time.Second},                       // dials in vain, then takes it over
			{at: 2 * time.Second, takes: time.Second, ends: 4 * time.Second},                                   // waits a second
			{at: 4500 * time.Millisecond, takes: time.Second, ends: 5500 * time.Millisecond},                   // finds it idle
			{at: 5 * time.Second, takes: 3 * time.Second, ends: 8500 * time.Millisecond},                       // takes it over in its turn, and its dial is let be
			{at: 20 * time.Second, takes: 100 * time.Millisecond, ends: 20*time.Second + 100*time.Millisecond}, // as ever
		} {
			wg.Go(func() {
				start := time.Now()
				time.Sleep(r.at)
				resp, err := w.RoundTrip(post(t.Context(), t, "http://receiver.test/?for="+r.takes.String(), "hello"))
				if err != nil {
					t.Errorf("RoundTrip at %v = %v, want nil", r.at, err)
					return
				}
				_ = resp.Body.Close()
				if got := time.Since(start); got != r.ends {
					t.Errorf("the request at %v ended at %v, want %v", r.at, got, r.ends)
				}
			})
		}
		wg.Wait()
		if got := dials.Load(); got != 3 {
			t.Errorf("%d dials, want 3", got)
		}
		w.Close()
		servers.Wait()
	})
}
