package signer_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/signer"
)

func FuzzParseKey(f *testing.F) {
	for _, s := range []string{
		vectorSecret, vectorPrivate, vectorPublic, "raw:" + canary, "token:abcd", "until=2026-01-02T03:04:05Z;" + vectorSecret,
		"whsec_***", "until=;", "until=2026-01-02T03:04:05+23:59;raw:0123456789abcdef", "signer:***", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, err := signer.ParseKey(s)
		if err != nil {
			if !errors.Is(err, signer.ErrInvalidKey) && !errors.Is(err, signer.ErrRedacted) {
				t.Fatalf("ParseKey(%q) error = %v, want one of its sentinels", s, err)
			}
			return
		}
		again, err := signer.ParseKey(k.Reveal())
		if err != nil || !again.Equal(k) || again.Reveal() != k.Reveal() {
			t.Fatalf("ParseKey(%q) reveals %q, which gives %v, %v", s, k.Reveal(), again, err)
		}
		if k.Kind() == signer.KindPublic {
			return
		}
		if _, err := signer.ParseKey(k.String()); !errors.Is(err, signer.ErrRedacted) {
			t.Fatalf("ParseKey(%q) error = %v, want ErrRedacted", k.String(), err)
		}
		_, text, _ := strings.Cut(k.Reveal(), k.Kind().String())
		masked := signer.Mask([]byte("<"+text+">"+text), []signer.Key{k})
		if bytes.Contains(masked, []byte(text)) {
			t.Fatalf("Mask leaves %q in %q", text, masked)
		}
	})
}

// Whatever the request, a signer gives headers that net/http can send, or an
// error, and no panic.
func FuzzSign(f *testing.F) {
	f.Add("msg_1", "POST", "https://example.com/a?b=c", "application/json", []byte("{}"), "{timestamp}.{body}")
	f.Add("a.b", "", "http://[::1]:80", "application/x-www-form-urlencoded", []byte("a=1&b=%41&a=2"), "{url}{form}")
	f.Add("", "GET", "://", "", []byte(nil), "{hubspot-url}{id}")
	f.Add("x", "P", "https://h/%3A%zz%2", "text/plain", []byte("\xff"), "{method}{")
	message := newMessage(f, signer.MessageOptions{Components: []string{"@method", "@authority", "@path", "@query", "@target-uri", "content-type", "content-digest"}})
	keys := []signer.Key{must(signer.ParseSecret(vectorSecret)), must(signer.RawSecret(canary)), must(signer.Token("t0ken"))}
	f.Fuzz(func(t *testing.T, id, method, url, contentType string, body []byte, content string) {
		signers := []signer.Signer{signer.Standard(), message, signer.GitLabToken()}
		if s, err := signer.NewScheme(signer.Scheme{Header: "x-own", Content: content, IDHeader: "x-own-id"}); err == nil {
			signers = append(signers, s)
		}
		for _, s := range signers {
			r := &signer.Request{
				ID: id, Time: time.Unix(1614265330, 0), Method: method, URL: url, Body: body, Keys: keys,
				Header: http.Header{"Content-Type": {contentType}},
			}
			kept := bytes.Clone(body)
			if err := s.Sign(context.Background(), r); err != nil {
				continue
			}
			if !bytes.Equal(body, kept) || r.ID != id || r.URL != url {
				t.Fatalf("%T changed the request", s)
			}
			delete(r.Header, "Content-Type")
			for name, values := range r.Header {
				if len(values) != 1 || strings.ContainsAny(values[0], "\r\n\x00") {
					t.Fatalf("%T sets %q: %q", s, name, values)
				}
			}
		}
	})
}
