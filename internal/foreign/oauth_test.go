package foreign_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outhook/outhook/internal/netguard"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// Both need escaping where they stand in an Authorization header, RFC 6749
// section 2.3.1.
const (
	clientID     = "out:hook"
	clientSecret = "s%2B+&=/:~x-0123456789-0123456789"
)

// tokenServer gives tokens for client credentials.
type tokenServer struct {
	tokens string // its token endpoint
	issued func() int
	active func(token string) bool
	revoke func(token string)
}

// foreignTokens is oidc-provider.
func foreignTokens(t *testing.T, auth signer.ClientAuth) tokenServer {
	t.Helper()
	var ready struct{ Issuer string }
	c := start(t, &ready, "node", "js/oauth.mjs", clientID, clientSecret, auth.String())
	post := func(path, token string) (answer struct{ Active bool }) {
		form := url.Values{"token": {token}}
		if auth == signer.ClientPost {
			form.Set("client_id", clientID)
			form.Set("client_secret", clientSecret)
		}
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, ready.Issuer+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Error(err)
			return answer
		}
		req.Header.Set("Content-Type", formType)
		if auth == signer.ClientBasic {
			req.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(clientSecret))
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return answer
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s answers %s", path, resp.Status)
		}
		_ = json.NewDecoder(resp.Body).Decode(&answer) // a revocation has no body
		return answer
	}
	return tokenServer{
		tokens: ready.Issuer + "/token",
		issued: func() int {
			var answer struct{ Issued int }
			c.ask(t, "issued?", &answer)
			return answer.Issued
		},
		active: func(token string) bool { return post("/token/introspection", token).Active },
		revoke: func(token string) { post("/token/revocation", token) },
	}
}

// ownTokens is written from the text of RFC 6749, for where there is no Node.
func ownTokens(t *testing.T, auth signer.ClientAuth) tokenServer {
	t.Helper()
	var mu sync.Mutex
	live, n := map[string]bool{}, 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		id, secret := r.PostFormValue("client_id"), r.PostFormValue("client_secret")
		if auth == signer.ClientBasic {
			user, password, _ := r.BasicAuth()
			id, _ = url.QueryUnescape(user)
			secret, _ = url.QueryUnescape(password)
		}
		w.Header().Set("Content-Type", "application/json")
		if id != clientID || secret != clientSecret || r.PostFormValue("grant_type") != "client_credentials" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client"}`)
			return
		}
		n++
		token := fmt.Sprintf("token-%d", n)
		live[token] = true
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":600}`, token)
	}))
	t.Cleanup(srv.Close)
	locked := func(f func()) {
		mu.Lock()
		defer mu.Unlock()
		f()
	}
	return tokenServer{
		tokens: srv.URL,
		issued: func() (out int) { locked(func() { out = n }); return out },
		active: func(token string) (out bool) { locked(func() { out = live[token] }); return out },
		revoke: func(token string) { locked(func() { delete(live, token) }) },
	}
}

// TestOAuth2 lets a dispatcher get its tokens from an authorization server, and
// a receiver ask that server what they are worth.
func TestOAuth2(t *testing.T) {
	kind := ownTokens
	if full() {
		kind = foreignTokens
	}
	for _, auth := range []signer.ClientAuth{signer.ClientBasic, signer.ClientPost} {
		t.Run(auth.String(), func(t *testing.T) {
			w := startOAuth(t, kind(t, auth), auth)
			w.manyShareOneToken(t)
			w.aRevokedTokenIsReplacedAtOnce(t)
			w.aWrongSecretIsNamed(t, auth)
			w.theGuardHolds(t, auth)
		})
	}
}

// oauthWorld is a token server, a receiver that trusts it, and a dispatcher.
type oauthWorld struct {
	tokenServer

	d        *webhook.Dispatcher
	receiver *httptest.Server
	attempts chan webhook.Attempt
	ended    chan webhook.Delivery
	mu       sync.Mutex
	seen     map[string]int // how often the receiver saw each token
}

// slowly holds token requests back for as long as all attempts need to begin.
type slowly struct{ signer.Doer }

func (s slowly) Do(r *http.Request) (*http.Response, error) {
	time.Sleep(200 * time.Millisecond)
	return s.Doer.Do(r)
}

func loopbackTransport() webhook.Transport {
	return webhook.Transport{Name: "loopback", Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
}

func newOAuth2(t *testing.T, url, secret string, auth signer.ClientAuth, from webhook.Transport) *signer.OAuth2 {
	t.Helper()
	client, err := from.Client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	key, err := signer.Token(secret)
	if err != nil {
		t.Fatal(err)
	}
	sg, err := signer.NewOAuth2(signer.OAuth2Options{
		TokenURL: url, ClientID: clientID, Secret: key, Auth: auth, Scopes: []string{"hooks"}, Client: slowly{client},
	})
	if err != nil {
		t.Fatal(err)
	}
	return sg
}

func startOAuth(t *testing.T, server tokenServer, auth signer.ClientAuth) *oauthWorld {
	t.Helper()
	w := &oauthWorld{
		tokenServer: server, seen: map[string]int{},
		attempts: make(chan webhook.Attempt, 100), ended: make(chan webhook.Delivery, 100),
	}
	w.receiver = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		w.mu.Lock()
		w.seen[token]++
		w.mu.Unlock()
		if !w.active(token) {
			rw.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(w.receiver.Close)
	hourly := retry.AtLeastOnce()
	hourly.Name, hourly.Schedule = "hourly", retry.Fixed(time.Hour, time.Hour)
	var err error
	w.d, err = webhook.New(webhook.Config{
		Queue: memstore.New(memstore.Options{}), Policies: []retry.Policy{hourly},
		Signers:    []webhook.NamedSigner{{Name: "oauth2", Signer: newOAuth2(t, server.tokens, clientSecret, auth, loopbackTransport())}},
		Transports: []webhook.Transport{loopbackTransport()},
		Hooks: webhook.Hooks{
			AttemptDone: func(_ context.Context, a webhook.Attempt) { w.attempts <- a },
			Ended:       func(_ context.Context, d webhook.Delivery) { w.ended <- d },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- w.d.Run(context.Background()) }()
	t.Cleanup(func() {
		if err := errors.Join(w.d.Shutdown(context.Background()), <-ran); err != nil {
			t.Errorf("Shutdown and Run = %v", err)
		}
	})
	return w
}

// deliver sends the lead to n endpoints and gives the attempts that it took.
func (w *oauthWorld) deliver(t *testing.T, n int) []webhook.Attempt {
	t.Helper()
	endpoints := make([]webhook.Endpoint, n)
	for i := range endpoints {
		endpoints[i] = webhook.Endpoint{URL: fmt.Sprintf("%s/%d", w.receiver.URL, i)}
	}
	if _, err := w.d.DispatchTo(t.Context(), theLead(), endpoints...); err != nil {
		t.Fatalf("DispatchTo = %v", err)
	}
	for range n {
		select {
		case d := <-w.ended:
			if d.State != webhook.Delivered {
				t.Errorf("the delivery ended %v: %s", d.State, d.Reason)
			}
		case <-time.After(time.Minute):
			t.Fatal("a delivery does not end")
		}
	}
	var out []webhook.Attempt
	for len(w.attempts) > 0 {
		out = append(out, <-w.attempts)
	}
	return out
}

func (w *oauthWorld) manyShareOneToken(t *testing.T) {
	t.Helper()
	if attempts := w.deliver(t, 20); len(attempts) != 20 {
		t.Errorf("%d attempts, want 20", len(attempts))
	}
	if n := w.issued(); n != 1 || len(w.seen) != 1 {
		t.Errorf("%d tokens were issued and %d seen, want one", n, len(w.seen))
	}
}

// The policy would wait an hour.
func (w *oauthWorld) aRevokedTokenIsReplacedAtOnce(t *testing.T) {
	t.Helper()
	for token := range w.seen {
		w.revoke(token)
	}
	attempts := w.deliver(t, 1)
	if len(attempts) != 2 {
		t.Fatalf("%d attempts, want 2", len(attempts))
	}
	first, second := attempts[0], attempts[1]
	if first.Outcome != retry.Retryable || first.Status != http.StatusUnauthorized || second.Outcome != retry.Accepted {
		t.Errorf("attempts end as %v after %d, and %v; want Retryable after 401, and Accepted", first.Outcome, first.Status, second.Outcome)
	}
	if d := second.Start.Sub(first.Start); d > 30*time.Second {
		t.Errorf("the second attempt comes after %v, want it at once", d)
	}
	if n := w.issued(); n != 2 || len(w.seen) != 2 {
		t.Errorf("%d tokens were issued and %d seen, want two", n, len(w.seen))
	}
}

func leadRequest() *signer.Request {
	return &signer.Request{ID: "msg_1", Time: time.Now(), Method: http.MethodPost, URL: "https://receiver.example/", Header: http.Header{}}
}

func (w *oauthWorld) aWrongSecretIsNamed(t *testing.T, auth signer.ClientAuth) {
	t.Helper()
	before := w.issued()
	err := newOAuth2(t, w.tokens, clientSecret+"x", auth, loopbackTransport()).Sign(t.Context(), leadRequest())
	var refusal *signer.TokenError
	if !errors.As(err, &refusal) || refusal.Status != http.StatusUnauthorized || refusal.Code != "invalid_client" {
		t.Errorf("Sign with a wrong secret = %v, want 401 invalid_client", err)
	}
	if n := w.issued(); n != before {
		t.Errorf("a wrong secret is given %d tokens", n-before)
	}
}

// A token endpoint on a private address is out of reach for the client of a
// transport that may not go there.
func (w *oauthWorld) theGuardHolds(t *testing.T, auth signer.ClientAuth) {
	t.Helper()
	before := w.issued()
	r := leadRequest()
	err := newOAuth2(t, w.tokens, clientSecret, auth, webhook.Transport{Name: "public"}).Sign(t.Context(), r)
	if !errors.Is(err, netguard.ErrRefused) || r.Header.Get("Authorization") != "" {
		t.Errorf("Sign with a guarded client = %v, want it refused", err)
	}
	if n := w.issued(); n != before {
		t.Errorf("the guarded client got %d tokens", n-before)
	}
}
