package signer_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/outhook/outhook/signer"
)

func subject() signer.Subject {
	return signer.Subject{
		URL: "https://hooks.example/in?a=%20b", Time: time.UnixMilli(1614265330123),
		Keys: []signer.Key{must(signer.Token("t0ken")), must(signer.RawSecret(canary))},
	}
}

func ask(t *testing.T, h signer.Handshake) signer.Question {
	t.Helper()
	q, err := h.Ask(subject())
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestOriginHandshake(t *testing.T) {
	h := signer.OriginHandshake{Origin: "sender.example", Callback: "https://sender.example/cb/1", Rate: 60}
	q := ask(t, h)
	want := http.Header{
		"Webhook-Request-Origin": {"sender.example"}, "Webhook-Request-Callback": {"https://sender.example/cb/1"}, "Webhook-Request-Rate": {"60"},
	}
	if q.Method != http.MethodOptions || q.URL != subject().URL || !reflect.DeepEqual(q.Header, want) || q.Body != nil {
		t.Errorf("Ask = %s %s %v, want OPTIONS to the URL with %v", q.Method, q.URL, q.Header, want)
	}
	for _, tt := range []struct {
		name   string
		h      signer.OriginHandshake
		header http.Header
		want   signer.Grant
		bad    bool
	}{
		{name: "exact", h: h, header: http.Header{"Webhook-Allowed-Origin": {"sender.example"}, "Webhook-Allowed-Rate": {"120"}}, want: signer.Grant{Rate: 120}},
		{name: "any", h: h, header: http.Header{"Webhook-Allowed-Origin": {"*"}, "Webhook-Allowed-Rate": {"*"}}},
		{name: "no rate asked, none given", h: signer.OriginHandshake{Origin: "sender.example"}, header: http.Header{"Webhook-Allowed-Origin": {"sender.example"}}},
		{name: "rate missing", h: h, header: http.Header{"Webhook-Allowed-Origin": {"sender.example"}}, bad: true},
		{name: "bad rate", h: h, header: http.Header{"Webhook-Allowed-Origin": {"*"}, "Webhook-Allowed-Rate": {"0"}}, bad: true},
		{name: "prefix", h: h, header: http.Header{"Webhook-Allowed-Origin": {"sender"}, "Webhook-Allowed-Rate": {"*"}}, bad: true},
		{name: "longer", h: h, header: http.Header{"Webhook-Allowed-Origin": {"sender.example.evil"}, "Webhook-Allowed-Rate": {"*"}}, bad: true},
		{name: "list", h: h, header: http.Header{"Webhook-Allowed-Origin": {"other.example, sender.example"}, "Webhook-Allowed-Rate": {"*"}}, bad: true},
		{name: "two lines", h: h, header: http.Header{"Webhook-Allowed-Origin": {"sender.example", "*"}, "Webhook-Allowed-Rate": {"*"}}, bad: true},
		{name: "status alone", h: h, header: http.Header{}, bad: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.h.Judge(ask(t, tt.h), signer.Answer{Status: http.StatusOK, Header: tt.header})
			if got != tt.want || errors.Is(err, signer.ErrUnverified) != tt.bad {
				t.Errorf("Judge = %v, %v, want %v, refused %v", got, err, tt.want, tt.bad)
			}
		})
	}
	for _, bad := range []signer.OriginHandshake{{}, {Origin: "*"}, {Origin: "a b"}, {Origin: "a\nb"}, {Origin: "a", Callback: "b\n"}, {Origin: "a", Rate: -1}} {
		if _, err := bad.Ask(subject()); err == nil {
			t.Errorf("Ask of %+v error = nil", bad)
		}
	}
}

func TestQueryHandshake(t *testing.T) {
	h := signer.QueryHandshake{Topic: "https://a.example/t", VerifyToken: must(signer.Token("t&ken")), Lease: time.Hour}
	q := ask(t, h)
	u, err := url.Parse(q.URL)
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"a": {" b"}, "hub.mode": {"subscribe"}, "hub.topic": {"https://a.example/t"}, "hub.verify_token": {"t&ken"},
		"hub.lease_seconds": {"3600"}, "hub.challenge": {q.Challenge},
	}
	if q.Method != http.MethodGet || !reflect.DeepEqual(u.Query(), want) || len(q.Challenge) < 32 {
		t.Errorf("Ask = %s %s, want GET with %v", q.Method, q.URL, want)
	}
	if again := ask(t, h); again.Challenge == q.Challenge {
		t.Error("two questions have the same challenge")
	}
	for _, tt := range []struct {
		name string
		a    signer.Answer
		bad  bool
	}{
		{name: "echo", a: signer.Answer{Status: 200, Body: []byte(q.Challenge)}},
		{name: "other 2xx", a: signer.Answer{Status: 202, Body: []byte(q.Challenge)}},
		{name: "line end", a: signer.Answer{Status: 200, Body: []byte(q.Challenge + "\n")}, bad: true},
		{name: "empty", a: signer.Answer{Status: 200}, bad: true},
		{name: "404", a: signer.Answer{Status: 404, Body: []byte(q.Challenge)}, bad: true},
		{name: "redirect", a: signer.Answer{Status: 302, Body: []byte(q.Challenge)}, bad: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := h.Judge(q, tt.a); errors.Is(err, signer.ErrUnverified) != tt.bad {
				t.Errorf("Judge error = %v, want refused %v", err, tt.bad)
			}
		})
	}
	if _, err := (signer.QueryHandshake{VerifyToken: signer.GenerateSecret()}).Ask(subject()); !errors.Is(err, signer.ErrKeyKind) {
		t.Errorf("Ask with a signing secret error = %v, want ErrKeyKind", err)
	}
}

func TestEchoHandshakes(t *testing.T) {
	okta, slack := signer.HeaderHandshake{}, signer.BodyHandshake{}
	text := func(body, contentType string) signer.Answer {
		return signer.Answer{Status: 200, Body: []byte(body), Header: http.Header{"Content-Type": {contentType}}}
	}
	for _, tt := range []struct {
		name   string
		h      signer.Handshake
		answer func(challenge string) signer.Answer
		bad    bool
	}{
		{name: "okta", h: okta, answer: func(c string) signer.Answer { return text(`{"verification":"`+c+`"}`, "application/json") }},
		{name: "okta, another field", h: okta, answer: func(c string) signer.Answer { return text(`{"challenge":"`+c+`"}`, "application/json") }, bad: true},
		{name: "okta, another value", h: okta, answer: func(string) signer.Answer { return text(`{"verification":"x"}`, "application/json") }, bad: true},
		{name: "okta, null", h: okta, answer: func(string) signer.Answer { return text(`null`, "application/json") }, bad: true},
		{name: "okta, no JSON", h: okta, answer: func(c string) signer.Answer { return text(c, "text/plain") }, bad: true},
		{name: "okta, 500", h: okta, answer: func(c string) signer.Answer {
			return signer.Answer{Status: 500, Body: []byte(`{"verification":"` + c + `"}`)}
		}, bad: true},
		{name: "slack text", h: slack, answer: func(c string) signer.Answer { return text(c, "text/plain") }},
		{name: "slack text with a line end", h: slack, answer: func(c string) signer.Answer { return text(c+"\n", "text/plain; charset=utf-8") }},
		{name: "slack no type", h: slack, answer: func(c string) signer.Answer { return signer.Answer{Status: 200, Body: []byte(c)} }},
		{name: "slack form", h: slack, answer: func(c string) signer.Answer { return text("challenge="+c, "application/x-www-form-urlencoded") }},
		{name: "slack JSON", h: slack, answer: func(c string) signer.Answer { return text(`{"challenge":"`+c+`"}`, "application/json") }},
		{name: "slack wrong form", h: slack, answer: func(c string) signer.Answer { return text("c="+c, "application/x-www-form-urlencoded") }, bad: true},
		{name: "slack empty", h: slack, answer: func(string) signer.Answer { return text("", "text/plain") }, bad: true},
		{name: "slack 403", h: slack, answer: func(c string) signer.Answer { return signer.Answer{Status: 403, Body: []byte(c)} }, bad: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := ask(t, tt.h)
			if _, err := tt.h.Judge(q, tt.answer(q.Challenge)); errors.Is(err, signer.ErrUnverified) != tt.bad {
				t.Errorf("Judge error = %v, want refused %v", err, tt.bad)
			}
		})
	}
	q := ask(t, okta)
	if got := q.Header.Get("X-Okta-Verification-Challenge"); q.Method != http.MethodGet || got != q.Challenge || got == "" {
		t.Errorf("Ask = %s %v, want GET with the challenge", q.Method, q.Header)
	}
	q = ask(t, slack)
	var body map[string]string
	if err := json.Unmarshal(q.Body, &body); err != nil || body["type"] != "url_verification" || body["challenge"] != q.Challenge {
		t.Errorf("Ask sends %s, %v", q.Body, err)
	}
	if _, err := (signer.HeaderHandshake{Header: "a b"}).Ask(subject()); err == nil {
		t.Error("Ask with a bad header error = nil")
	}
}

func TestHMACHandshake(t *testing.T) {
	h := signer.HMACHandshake{}
	q := ask(t, h)
	var body struct {
		Event   string `json:"event"`
		At      int64  `json:"event_ts"`
		Payload struct {
			Token string `json:"plainToken"`
		} `json:"payload"`
	}
	if err := json.Unmarshal(q.Body, &body); err != nil || body.Event != "endpoint.url_validation" || body.At != 1614265330123 || body.Payload.Token != q.Challenge {
		t.Errorf("Ask sends %s, %v", q.Body, err)
	}
	answer := func(secret, token string) signer.Answer {
		m := hmac.New(sha256.New, []byte(secret))
		m.Write([]byte(token))
		b := mustJSON(t, map[string]string{"plainToken": token, "encryptedToken": hex.EncodeToString(m.Sum(nil))})
		return signer.Answer{Status: 200, Body: []byte(b)}
	}
	if _, err := h.Judge(q, answer(canary, q.Challenge)); err != nil {
		t.Errorf("Judge error = %v", err)
	}
	for name, a := range map[string]signer.Answer{
		"another secret": answer("another", q.Challenge), "another token": answer(canary, "x"), "nothing": {Status: 200},
	} {
		if _, err := h.Judge(q, a); !errors.Is(err, signer.ErrUnverified) {
			t.Errorf("Judge of %s error = %v, want ErrUnverified", name, err)
		}
	}
	none := subject()
	none.Keys = nil
	if _, err := h.Ask(none); !errors.Is(err, signer.ErrKeyKind) {
		t.Errorf("Ask without keys error = %v, want ErrKeyKind", err)
	}
	none.Keys = []signer.Key{must(signer.RawSecret(canary)).Until(time.Unix(1, 0))}
	if _, err := h.Ask(none); !errors.Is(err, signer.ErrNoLiveKey) {
		t.Errorf("Ask with an ended key error = %v, want ErrNoLiveKey", err)
	}
}
