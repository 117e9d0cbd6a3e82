package netguard_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
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
