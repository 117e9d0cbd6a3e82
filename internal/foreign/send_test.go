package foreign_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
)

// leadCreated is the event that schemes sign. Its name is what a test flips a
// byte of; its note breaks verifiers that do not hash the raw bytes.
type leadCreated struct {
	Type  string  `json:"type" form:"type"`
	Name  string  `json:"first_name" form:"first_name"`
	Email string  `json:"email" form:"email"`
	Note  string  `json:"note" form:"note"`
	Score float64 `json:"score" form:"score"`
}

func (leadCreated) EventType() string { return "lead.created" }

func theLead() leadCreated {
	return leadCreated{
		Type: "lead.created", Name: "Marianna", Email: "marianna+x@example.com",
		Note: "Zoë <b>&amp; 'naïve' 🐘 \u2028 ~ 日本", Score: 0.1,
	}
}

// sent is a request as the receiver got it.
type sent struct {
	method, url string
	header      http.Header
	body        []byte
}

// loopback is a receiver on this machine that hands on what it gets.
type loopback struct {
	*httptest.Server

	got chan sent
}

func newLoopback(t *testing.T) *loopback {
	t.Helper()
	l := &loopback{got: make(chan sent, 16)}
	l.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read body: %v", err)
		}
		l.got <- sent{method: r.Method, url: "http://" + r.Host + r.RequestURI, header: r.Header, body: body}
	}))
	t.Cleanup(l.Close)
	return l
}

// aged signs as a request of an hour ago was signed.
type aged struct{ signer.Signer }

func (a aged) Sign(ctx context.Context, r *signer.Request) error {
	old := *r
	old.Time = r.Time.Add(-time.Hour)
	return a.Signer.Sign(ctx, &old)
}

// send lets a dispatcher of its own bring the lead to l.
func (l *loopback) send(t *testing.T, sg signer.Signer, e webhook.Endpoint) sent {
	t.Helper()
	d, err := webhook.New(webhook.Config{
		Signers: []webhook.NamedSigner{{Name: "scheme", Signer: sg}},
		Transports: []webhook.Transport{{
			Name: "loopback", Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		}},
		Hooks: webhook.Hooks{Ended: func(_ context.Context, d webhook.Delivery) {
			if d.State != webhook.Delivered {
				t.Errorf("the delivery ended %v: %s", d.State, d.Reason)
				l.got <- sent{}
			}
		}},
	})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	e.URL = l.URL + "/hooks/in%20box?tenant=a%26b&x=1"
	if _, err := d.DispatchTo(t.Context(), theLead(), e); err != nil {
		t.Fatalf("DispatchTo: %v", err)
	}
	if err := d.Shutdown(t.Context()); err != nil {
		t.Fatalf("Shutdown: %v", err)
	}
	return <-l.got
}
