package signer_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/signer"
)

// endpoint is a token endpoint without a network. It counts what it is asked.
type endpoint struct {
	delay  time.Duration
	status int
	body   string // {n} is the count
	asked  atomic.Int32
	last   atomic.Pointer[http.Request]
	form   atomic.Pointer[url.Values]
}

func (e *endpoint) Do(r *http.Request) (*http.Response, error) {
	n := e.asked.Add(1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	e.last.Store(r)
	e.form.Store(&form)
	select {
	case <-time.After(e.delay):
	case <-r.Context().Done():
		return nil, &url.Error{Op: "Post", URL: r.URL.String(), Err: r.Context().Err()}
	}
	status := e.status
	if status == 0 {
		status = http.StatusOK
	}
	answer := strings.ReplaceAll(e.body, "{n}", strconv.Itoa(int(n)))
	return &http.Response{
		StatusCode: status, Body: io.NopCloser(strings.NewReader(answer)),
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}},
	}, nil
}

const goodToken = `{"access_token":"at-{n}","token_type":"Bearer","expires_in":3600}`

func newOAuth2(t *testing.T, e *endpoint, change func(*signer.OAuth2Options)) *signer.OAuth2 {
	t.Helper()
	o := signer.OAuth2Options{
		TokenURL: "https://auth.example/token?tenant=t3nant", ClientID: "id:1", Secret: must(signer.Token(canary)), Client: e,
	}
	if change != nil {
		change(&o)
	}
	s, err := signer.NewOAuth2(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func authorization(t *testing.T, s signer.Signer) (string, *signer.Request) {
	t.Helper()
	r := vector(signer.GenerateSecret())
	r.Time = time.Now()
	if err := s.Sign(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return r.Header.Get("Authorization"), r
}

func TestOAuth2Request(t *testing.T) {
	e := &endpoint{body: goodToken}
	s := newOAuth2(t, e, func(o *signer.OAuth2Options) {
		o.Scopes, o.Params = []string{"a", "b"}, url.Values{"audience": {"https://api.example"}}
	})
	if got, _ := authorization(t, s); got != "Bearer at-1" {
		t.Errorf("Authorization = %q, want the token", got)
	}
	want := "audience=https%3A%2F%2Fapi.example&grant_type=client_credentials&scope=a+b"
	if got := e.form.Load().Encode(); got != want {
		t.Errorf("token request = %q, want %q", got, want)
	}
	user, password, ok := e.last.Load().BasicAuth() // both form-encoded, RFC 6749 section 2.3.1
	if !ok || user != "id%3A1" || password != url.QueryEscape(canary) || e.last.Load().Method != http.MethodPost {
		t.Errorf("client shows itself as %q, %v", user, ok)
	}
	if e.last.Load().GetBody != nil {
		t.Error("the token request can be replayed")
	}

	s = newOAuth2(t, e, func(o *signer.OAuth2Options) { o.Auth = signer.ClientPost })
	authorization(t, s)
	if f := *e.form.Load(); f.Get("client_id") != "id:1" || f.Get("client_secret") != canary || e.last.Load().Header.Get("Authorization") != "" {
		t.Errorf("client_secret_post sends %v", f)
	}
}

func TestOAuth2Cache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{body: goodToken}
		s := newOAuth2(t, e, nil)
		first, r := authorization(t, s)
		time.Sleep(3600*time.Second - 31*time.Second)
		if got, _ := authorization(t, s); got != first {
			t.Errorf("31 s before its end the token is %q, want %q", got, first)
		}
		time.Sleep(time.Second)
		second, r2 := authorization(t, s)
		if second != "Bearer at-2" {
			t.Errorf("30 s before its end the token is %q, want a new one", second)
		}
		if s.Rejected(r) { // an attempt with the first token: the second stays
			t.Error("a token that nobody knows any more is worth an attempt at once")
		}
		if got, _ := authorization(t, s); got != second {
			t.Errorf("after a late 401 the token is %q, want %q", got, second)
		}
		if signer.All(s).(signer.Rejecter).Rejected(r2) {
			t.Error("a token rejected as soon as it was got is worth an attempt at once")
		}
		if got, _ := authorization(t, s); got != "Bearer at-3" {
			t.Errorf("after a 401 the token is %q, want a new one", got)
		}
		if n := e.asked.Load(); n != 3 {
			t.Errorf("the endpoint was asked %d times, want 3", n)
		}
		_, late := authorization(t, s)
		time.Sleep(10 * time.Second)
		_, r3 := authorization(t, s)
		if s.Rejected(late) {
			t.Error("a token sent as soon as it was got, and rejected 10 s later, is worth an attempt at once")
		}
		for range 2 { // of the attempts that carried it
			if !s.Rejected(r3) {
				t.Error("a token rejected after 10 s is not worth an attempt at once")
			}
		}
	})
}

func TestOAuth2NoEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{body: `{"access_token":"at-{n}","token_type":"bearer"}`}
		s := newOAuth2(t, e, nil)
		authorization(t, s)
		time.Sleep(100 * 24 * time.Hour)
		if got, _ := authorization(t, s); got != "Bearer at-1" {
			t.Errorf("a token without an end is %q, want the first until it is rejected", got)
		}
	})
}

func TestOAuth2Concurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{body: goodToken, delay: time.Second}
		s := newOAuth2(t, e, nil)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if got, _ := authorization(t, s); got != "Bearer at-1" {
					t.Errorf("Authorization = %q, want the one token", got)
				}
			})
		}
		wg.Wait()
		if n := e.asked.Load(); n != 1 {
			t.Errorf("50 attempts asked %d times, want 1", n)
		}
	})
}

// The attempt that asked first gives up; the one that waited with it asks anew.
func TestOAuth2LeaderGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{body: goodToken, delay: 3 * time.Second}
		s := newOAuth2(t, e, nil)
		leader, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Sign(leader, vector()); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Sign of the first error = %v, want DeadlineExceeded", err)
			}
		})
		synctest.Wait()
		start := time.Now()
		if got, _ := authorization(t, s); got != "Bearer at-2" {
			t.Errorf("Authorization = %q, want the second token", got)
		}
		if d := time.Since(start); d != 4*time.Second {
			t.Errorf("the second waited %v, want 4s", d)
		}
		wg.Wait()
	})
}

func TestOAuth2FollowerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{body: goodToken, delay: 5 * time.Second}
		s := newOAuth2(t, e, nil)
		var wg sync.WaitGroup
		wg.Go(func() { authorization(t, s) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := s.Sign(ctx, vector()); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("Sign error = %v after %v, want DeadlineExceeded after 1s", err, time.Since(start))
		}
		wg.Wait()
	})
}

func TestOAuth2Answers(t *testing.T) {
	for _, tt := range []struct {
		name     string
		endpoint *endpoint
		code     string // of a TokenError
		status   int
	}{
		{name: "refusal", endpoint: &endpoint{status: 401, body: `{"error":"invalid_client","error_description":"x"}`}, status: 401, code: "invalid_client"},
		{name: "refusal that echoes", endpoint: &endpoint{status: 400, body: mustJSON(t, map[string]string{"error": canary})}, status: 400, code: ""},
		{name: "not JSON", endpoint: &endpoint{status: 503, body: "<html>"}, status: 503},
		{name: "redirect", endpoint: &endpoint{status: 302}, status: 302},
		{name: "no token", endpoint: &endpoint{body: `{"token_type":"bearer"}`}},
		{name: "mac token", endpoint: &endpoint{body: `{"access_token":"x","token_type":"mac"}`}},
		{name: "header injection", endpoint: &endpoint{body: `{"access_token":"x\r\ny: z","token_type":"bearer"}`}},
		{name: "half an answer", endpoint: &endpoint{body: `{"access_token":"x`}},
		{name: "too slow", endpoint: &endpoint{body: goodToken, delay: time.Minute}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := newOAuth2(t, tt.endpoint, nil).Sign(t.Context(), vector())
				if err == nil {
					t.Fatal("Sign error = nil")
				}
				var refusal *signer.TokenError
				if errors.As(err, &refusal) != (tt.status != 0) || (refusal != nil && refusal.Status != tt.status) {
					t.Errorf("Sign error = %v, want a TokenError with status %d", err, tt.status)
				}
				if tt.code != "" && (refusal == nil || refusal.Code != tt.code) {
					t.Errorf("Sign error = %v, want the code %q", err, tt.code)
				}
				if shows(err.Error(), must(signer.Token(canary))) || strings.Contains(err.Error(), "t3nant") {
					t.Errorf("Sign error shows a secret: %v", err)
				}
			})
		})
	}
}

func TestOAuth2ClientPanics(t *testing.T) {
	s := newOAuth2(t, nil, func(o *signer.OAuth2Options) {
		o.Client = doer(func(*http.Request) (*http.Response, error) { panic("in the host's client") })
	})
	if err := s.Sign(t.Context(), vector()); err == nil {
		t.Error("Sign error = nil")
	}
}

func TestNewOAuth2Refuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*signer.OAuth2Options)
	}{
		{name: "no URL", change: func(o *signer.OAuth2Options) { o.TokenURL = "" }},
		{name: "relative URL", change: func(o *signer.OAuth2Options) { o.TokenURL = "/token" }},
		{name: "user in URL", change: func(o *signer.OAuth2Options) { o.TokenURL = "https://a:b@auth.example/" }},
		{name: "ftp", change: func(o *signer.OAuth2Options) { o.TokenURL = "ftp://auth.example/" }},
		{name: "no client id", change: func(o *signer.OAuth2Options) { o.ClientID = "" }},
		{name: "no secret", change: func(o *signer.OAuth2Options) { o.Secret = signer.Key{} }},
		{name: "signing secret", change: func(o *signer.OAuth2Options) { o.Secret = signer.GenerateSecret() }},
		{name: "no client", change: func(o *signer.OAuth2Options) { o.Client = nil }},
		{name: "negative skew", change: func(o *signer.OAuth2Options) { o.Skew = -1 }},
		{name: "unknown auth", change: func(o *signer.OAuth2Options) { o.Auth = 9 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := signer.OAuth2Options{TokenURL: "https://auth.example/", ClientID: "id", Secret: must(signer.Token(canary)), Client: &endpoint{}}
			tt.change(&o)
			if _, err := signer.NewOAuth2(o); err == nil {
				t.Error("NewOAuth2 error = nil")
			}
		})
	}
}
