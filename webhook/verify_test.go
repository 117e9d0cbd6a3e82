package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
)

const verifySecret = "the secret that the receiver has, too"

// honest answers each handshake as its text wants it.
func honest(w http.ResponseWriter, r *http.Request, body []byte) {
	switch {
	case r.Method == http.MethodOptions:
		w.Header().Set("WebHook-Allowed-Origin", r.Header.Get("WebHook-Request-Origin"))
		w.Header().Set("WebHook-Allowed-Rate", "120")
	case r.URL.Query().Has("hub.challenge"):
		_, _ = io.WriteString(w, r.URL.Query().Get("hub.challenge"))
	case r.Method == http.MethodGet:
		writeJSON(w, map[string]any{"verification": r.Header.Get("X-Okta-Verification-Challenge")})
	default:
		var question struct {
			Challenge string
			Payload   struct{ PlainToken string }
		}
		_ = json.Unmarshal(body, &question)
		writeJSON(w, map[string]any{
			"challenge":  question.Challenge,
			"plainToken": question.Payload.PlainToken, "encryptedToken": hexMAC([]byte(question.Payload.PlainToken)),
		})
	}
}

func hexMAC(text []byte) string {
	mac := hmac.New(sha256.New, []byte(verifySecret))
	_, _ = mac.Write(text)
	return hex.EncodeToString(mac.Sum(nil))
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// TestVerify holds the deliveries of an endpoint until it has shown that it
// wants them, by each handshake; a receiver that answers 200 to everything has
// shown nothing.
func TestVerify(t *testing.T) {
	for _, tt := range []struct {
		name      string
		handshake signer.Handshake
	}{
		{name: "origin", handshake: signer.OriginHandshake{Origin: "sender.example"}},
		{name: "query", handshake: signer.QueryHandshake{Topic: "leads"}},
		{name: "header", handshake: signer.HeaderHandshake{}},
		{name: "body", handshake: signer.BodyHandshake{}},
		{name: "hmac", handshake: signer.HMACHandshake{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				key, err := signer.RawSecret(verifySecret)
				if err != nil {
					t.Fatal(err)
				}
				github, err := signer.NewScheme(signer.GitHub())
				if err != nil {
					t.Fatal(err)
				}
				r := newRig(t, func(c *webhook.Config) {
					c.Signers = []webhook.NamedSigner{{Name: "github", Signer: github}}
				})
				var deliveries atomic.Int32
				r.net.Handle("a.example", http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					body, _ := io.ReadAll(req.Body)
					if len(body) > 0 && req.Header.Get("X-Hub-Signature-256") != "sha256="+hexMAC(body) {
						w.WriteHeader(http.StatusUnauthorized) // as Zoom's and Slack's receivers do
						return
					}
					if string(body) == `{"email":"x@example.com"}` {
						deliveries.Add(1)
						return
					}
					honest(w, req, body)
				}))
				r.net.Receiver("b.example") // 200 to everything
				ep := webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/hook", Secrets: []signer.Key{key}, Status: webhook.Unverified}
				r.set(ep)
				r.run()
				r.dispatch(leadCreated{Email: "x@example.com"}, link1)
				time.Sleep(10 * time.Minute)
				if n := deliveries.Load(); n != 0 || len(r.ended) != 0 {
					t.Fatalf("%d deliveries reached an endpoint that is not verified", n)
				}
				liar := ep
				liar.URL = "http://b.example/hook"
				if _, err := r.d.Verify(context.Background(), liar, tt.handshake); !errors.Is(err, signer.ErrUnverified) {
					t.Errorf("Verify of one that answers 200 = %v, want %v", err, signer.ErrUnverified)
				}
				if _, err := r.d.Verify(context.Background(), ep, tt.handshake); err != nil {
					t.Fatalf("Verify = %v, want nil", err)
				}
				ep.Status = webhook.Active
				r.set(ep)
				if err := r.d.Release(context.Background(), ep.ID); err != nil {
					t.Fatal(err)
				}
				if d := r.end(); d.State != webhook.Delivered || deliveries.Load() != 1 {
					t.Errorf("ended %v, %s, with %d requests; want it delivered by one", d.State, d.Reason, deliveries.Load())
				}
			})
		})
	}
}

// A question that could not be signed is no fault of the receiver.
func TestVerifyFailsToSign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) {
			c.ResolveSigner = func(context.Context, *webhook.Endpoint) (signer.Signer, error) {
				return nil, errors.New("the vault is sealed")
			}
		})
		defer r.net.Close()
		recv := r.net.Receiver("a.example")
		_, err := r.d.Verify(t.Context(), webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"}, signer.BodyHandshake{})
		var failed *webhook.SendError
		if !errors.As(err, &failed) || failed.Class != webhook.Internal || len(recv.Requests()) != 0 {
			t.Errorf("Verify = %v with %d requests, want an internal failure and none", err, len(recv.Requests()))
		}
	})
}
