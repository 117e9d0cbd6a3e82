package netguard_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outhook/outhook/internal/netguard"
)

// overdue is the context of a request whose process stood still: its deadline
// has passed, and its timer has not run yet.
type overdue struct{ context.Context } //nolint:containedctx // it is one

func (overdue) Deadline() (time.Time, bool) { return time.Now().Add(-time.Second), true }

// TestNothingIsWrittenLate sends requests whose deadline has passed, over new
// connections and over idle ones.
func TestNothingIsWrittenLate(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		for _, warm := range []bool{false, true} {
			for _, body := range []string{"", "hello"} {
				var requests atomic.Int64
				srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
				var conf *tls.Config
				if scheme == "https" {
					srv.StartTLS()
					conf = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
					conf.RootCAs.AddCert(srv.Certificate())
				} else {
					srv.Start()
				}
				c := newClient(t, conf)
				want := int64(0)
				if warm {
					want++
					resp, err := c.RoundTrip(post(t.Context(), t, srv.URL, "warm"))
					if err != nil {
						t.Fatal(err)
					}
					_ = resp.Body.Close()
				}
				resp, err := c.RoundTrip(post(overdue{t.Context()}, t, srv.URL, body))
				if err == nil {
					_ = resp.Body.Close()
				}
				if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, netguard.ErrUnsent) {
					t.Errorf("%s, warm %v, body %q: RoundTrip = %v, want one that is context.DeadlineExceeded and not ErrUnsent", scheme, warm, body, err)
				}
				srv.Close() // waits for what is under way
				if got := requests.Load(); got != want {
					t.Errorf("%s, warm %v, body %q: the server got %d requests, want %d", scheme, warm, body, got, want)
				}
			}
		}
	}
}

// TestLateAfterAnother lets a late request take the connection of one that has
// its answer and has not ended yet, as net/http allows.
func TestLateAfterAnother(t *testing.T) {
	for _, answer := range []string{"", "ok"} {
		var requests atomic.Int64
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			requests.Add(1)
			_, _ = io.WriteString(w, answer)
		}))
		c := newClient(t, nil)
		idle, taken, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{PutIdleConn: func(error) {
				close(idle)
				if answer == "" { // RoundTrip waits for this
					<-taken
				}
			}})
			resp, err := c.RoundTrip(post(ctx, t, srv.URL, "first"))
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			if answer != "" {
				<-taken
			}
			_ = resp.Body.Close()
		}()
		<-idle
		ctx := httptrace.WithClientTrace(overdue{t.Context()}, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
			if !info.Reused {
				t.Error("the second request has a connection of its own")
			}
			close(taken)
			<-ended
		}})
		resp, err := c.RoundTrip(post(ctx, t, srv.URL, "second"))
		if err == nil {
			_ = resp.Body.Close()
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("answer %q: RoundTrip = %v, want one that is context.DeadlineExceeded", answer, err)
		}
		srv.Close()
		if got := requests.Load(); got != 1 {
			t.Errorf("answer %q: the server got %d requests, want 1", answer, got)
		}
	}
}

// TestLateWithoutBody lets net/http try a late request, which it takes for one
// that may be sent again, on a second idle connection.
func TestLateWithoutBody(t *testing.T) {
	const connections = 2
	var requests atomic.Int64
	var both sync.WaitGroup
	both.Add(connections)
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if requests.Add(1) <= connections {
			both.Done()
			both.Wait()
		}
	}))
	c := newClient(t, nil)
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			resp, err := c.RoundTrip(post(t.Context(), t, srv.URL, "warm"))
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
		})
	}
	wg.Wait()
	resp, err := c.RoundTrip(post(overdue{t.Context()}, t, srv.URL, ""))
	if err == nil {
		_ = resp.Body.Close()
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("RoundTrip = %v, want one that is context.DeadlineExceeded", err)
	}
	srv.Close()
	if got := requests.Load(); got != connections {
		t.Errorf("the server got %d requests, want %d", got, connections)
	}
}
