package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
)

// malformed answers with what it was sent, where net/http quotes it in errors.
var malformed = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\n%s and %s\r\n\r\n", r.Header.Get("Authorization"), r.URL)
	_ = conn.Close()
})

type panicSigner struct{}

func (panicSigner) Sign(context.Context, *signer.Request) error { panic("sign") }

func TestWhatPeersEchoInErrorsIsMasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const canary = "canary-0123456789abcdef"
		r := newRig(t, func(c *webhook.Config) {
			c.Catalog = payload.NewCatalog()
			if err := payload.Describe(c.Catalog, "lead.created", "", leadCreated{Email: "x@example.com"}); err != nil {
				t.Fatal(err)
			}
			c.Signers = []webhook.NamedSigner{{Name: "standard", Signer: signer.Standard()}, {Name: "panics", Signer: panicSigner{}}}
		})
		r.net.Handle("a.example", malformed)
		e := webhook.Endpoint{
			ID: "a", Scope: link1, URL: "http://a.example/?token=" + canary, Policy: "at-most-once",
			Headers: []webhook.Header{{Name: "Authorization", Value: "Bearer " + canary}},
		}
		r.set(e)
		r.run()
		r.dispatch(leadCreated{Email: "x"}, link1)
		d := r.end()
		_, err := r.d.Verify(context.Background(), e, signer.OriginHandshake{Origin: "example.com"})
		var sent *webhook.SendError
		if !errors.As(err, &sent) {
			t.Errorf("Verify = %v, want a SendError", err)
		}
		a, sampleErr := r.d.SendSample(context.Background(), e, "lead.created")
		text := fmt.Sprintf("%+v %v %+v %v", <-r.tries, err, a, sampleErr) + d.Reason
		if strings.Contains(text, canary) || strings.Count(text, "malformed") < 3 {
			t.Errorf("want every error masked, and each to say what was malformed: %s", text)
		}
		e.Signer = "panics"
		a, err = r.d.SendSample(context.Background(), e, "lead.created")
		if err != nil || a.Class != webhook.Internal || !strings.Contains(a.Error, "panic") {
			t.Errorf("SendSample with a signer that panics = %+v, %v; want an attempt that says so", a, err)
		}
	})
}

func TestRedactedKeyIsErrRedacted(t *testing.T) {
	shown, err := json.Marshal(webhook.Endpoint{ID: "a", URL: "http://a.example/", Scope: link1, Secrets: []signer.Key{signer.GenerateSecret()}})
	if err != nil {
		t.Fatal(err)
	}
	var again webhook.Endpoint
	if err := json.Unmarshal(shown, &again); !errors.Is(err, webhook.ErrRedacted) || !errors.Is(err, signer.ErrRedacted) {
		t.Errorf("Unmarshal(%s) = %v, want ErrRedacted", shown, err)
	}
}
