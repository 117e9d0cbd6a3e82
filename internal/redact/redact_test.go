package redact_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/outhook/outhook/internal/redact"
)

func TestURL(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{name: "plain", in: "https://example.com", want: "https://example.com"},
		{name: "root", in: "https://example.com/", want: "https://example.com/"},
		{name: "port", in: "http://example.com:8080/hook", want: "http://example.com:8080/hook"},
		{name: "secret path", in: "https://hooks.example.com/services/T00/B00/XyZ", want: "https://hooks.example.com/services/***/***/***"},
		{name: "words and secret", in: "https://example.com/api/v1/webhooks/9f2c", want: "https://example.com/api/v1/webhooks/***"},
		{name: "word in capitals", in: "https://example.com/API", want: "https://example.com/***"},
		{name: "escaped word", in: "https://example.com/%61pi", want: "https://example.com/***"},
		{name: "trailing slash", in: "https://example.com/hooks/s3cret/", want: "https://example.com/hooks/***/"},
		{name: "userinfo", in: "https://user:pass@example.com/hook", want: "https://example.com/hook"},
		{name: "query", in: "https://example.com/hook?secrettoken=abc&x=", want: "https://example.com/hook?secrettoken=***&x=***"},
		{name: "bracketed name", in: "https://example.com/?a[b]=c", want: "https://example.com/?a[b]=***"},
		{name: "bare token", in: "https://example.com/?s3cret", want: "https://example.com/?***"},
		{name: "odd name", in: "https://example.com/?s3cret%20=1&=s3cret", want: "https://example.com/?***&***"},
		{name: "long name", in: "https://example.com/?" + strings.Repeat("s", 33) + "=1", want: "https://example.com/?***"},
		{name: "fragment", in: "https://example.com/hook#s3cret", want: "https://example.com/hook"},
		{name: "address", in: "https://[2001:db8::1]:8443/", want: "https://[2001:db8::1]:8443/"},
		{name: "escape in path", in: "https://example.com/hook/%0As3cret", want: "https://example.com/hook/***"},
		{name: "empty", in: "", want: "(invalid url)"},
		{name: "relative", in: "/hook/s3cret", want: "(invalid url)"},
		{name: "opaque", in: "mailto:s3cret", want: "(invalid url)"},
		{name: "broken", in: "https://user:s3cret@exa mple.com/", want: "(invalid url)"},
		{name: "control", in: "https://example.com/\x00s3cret", want: "(invalid url)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := redact.URL(tt.in); got != tt.want {
				t.Errorf("URL(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestText(t *testing.T) {
	for _, tt := range []struct {
		name  string
		in    string
		limit int
		want  string
	}{
		{name: "plain", in: "bad request", limit: 64, want: `"bad request"`},
		{name: "empty", in: "", limit: 64, want: `""`},
		{name: "cut", in: "abcdef", limit: 4, want: `"abcd" and 2 bytes more`},
		{name: "exact", in: "abcd", limit: 4, want: `"abcd"`},
		{name: "nothing", in: "abcd", limit: 0, want: `"" and 4 bytes more`},
		{name: "negative", in: "abcd", limit: -1, want: `"" and 4 bytes more`},
		{name: "terminal escapes", in: "\x1b[31mred\x07\r\n", limit: 64, want: `"\x1b[31mred\a\r\n"`},
		{name: "direction override", in: "a\u202eb", limit: 64, want: `"a\u202eb"`},
		{name: "quotes", in: `say "hi"`, limit: 64, want: `"say \"hi\""`},
		{name: "character kept whole", in: "abcà", limit: 4, want: `"abc" and 2 bytes more`},
		{name: "invalid", in: "\xff\xfe", limit: 64, want: `"\xff\xfe"`},
		{name: "invalid, cut", in: strings.Repeat("\x80", 10), limit: 8, want: `"\x80\x80\x80\x80\x80" and 5 bytes more`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := redact.Text([]byte(tt.in), tt.limit); got != tt.want {
				t.Errorf("Text(%q, %d) = %s, want %s", tt.in, tt.limit, got, tt.want)
			}
		})
	}
}

func TestError(t *testing.T) {
	const secret = "https://u:p@h/s3cret?t=s3cret"
	broken := []string{"https://h/%zzs3cret", "https://s3cret host/"}
	_, parseErr := url.Parse(broken[0])
	_, hostErr := url.Parse(broken[1])
	refused := errors.New("connection refused")
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{name: "nil", err: nil, want: ""},
		{name: "plain", err: refused, want: "connection refused"},
		{name: "url error", err: &url.Error{Op: "Post", URL: secret, Err: refused}, want: "connection refused"},
		{name: "deadline", err: &url.Error{Op: "Post", URL: secret, Err: context.DeadlineExceeded}, want: "context deadline exceeded"},
		{name: "op error", err: &url.Error{Op: "Post", URL: secret, Err: &net.OpError{Op: "dial", Net: "tcp", Err: refused}}, want: "dial tcp: connection refused"},
		{name: "nested", err: &url.Error{Op: "Post", URL: secret, Err: &url.Error{Op: "Get", URL: secret, Err: refused}}, want: "connection refused"},
		{name: "wrapped", err: fmt.Errorf("send: %w", &url.Error{Op: "Post", URL: secret, Err: refused}), want: "send: connection refused"},
		{name: "wrapped between", err: fmt.Errorf("a %w b", &url.Error{Op: "Post", URL: secret, Err: refused}), want: "a connection refused b"},
		{name: "named twice", err: fmt.Errorf("%s: %w", secret, &url.Error{Op: "Post", URL: secret, Err: refused}), want: "connection refused"},
		{name: "joined", err: errors.Join(errors.New("first"), &url.Error{Op: "Post", URL: secret, Err: refused}), want: `first\nconnection refused`},
		{
			name: "joined twice",
			err:  errors.Join(&url.Error{Op: "Post", URL: secret, Err: refused}, fmt.Errorf("b: %w", &url.Error{Op: "Get", URL: secret, Err: refused})),
			want: `connection refused\nb: connection refused`,
		},
		{name: "two wrapped", err: fmt.Errorf("%w and %w", parseErr, hostErr), want: "invalid url and invalid url"},
		{name: "parse", err: parseErr, want: "invalid url"},
		{name: "parse host", err: hostErr, want: "invalid url"},
		{name: "nothing in it", err: &url.Error{Op: "parse", URL: secret}, want: "invalid url"},
		{name: "peer text", err: errors.New("malformed \x1b[2J\nanswer \"x\""), want: `malformed \x1b[2J\nanswer "x"`},
		{name: "long", err: errors.New(strings.Repeat("x", 600)), want: strings.Repeat("x", 512) + "..."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := redact.Error(tt.err)
			if got != tt.want {
				t.Errorf("Error(%v) = %q, want %q", tt.err, got, tt.want)
			}
			if strings.Contains(got, "s3cret") {
				t.Errorf("Error(%v) = %q, which holds the secret", tt.err, got)
			}
		})
	}
}

func FuzzURL(f *testing.F) {
	for _, seed := range []string{"https://h/hook", "http://[::1]:80/x?a=b", "https://h", "https://h:1/?x"} {
		f.Add(seed, "tail")
	}
	const canary = "Zc4n4ryZ"
	f.Fuzz(func(t *testing.T, base, tail string) {
		if strings.Contains(base+tail, canary) {
			return
		}
		for _, raw := range []string{base + "/" + canary + tail, base + "?a=" + canary + tail, base + "#" + canary} {
			u, err := url.Parse(raw)
			if err != nil || strings.Contains(u.Host, canary) || strings.Contains(u.Scheme, canary) {
				continue // the canary became a part that is shown
			}
			if got := redact.URL(raw); strings.Contains(got, canary) {
				t.Errorf("URL(%q) = %q, which holds the canary", raw, got)
			}
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add([]byte("a\x1b[0m\xff"), 3)
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		got := redact.Text(b, limit)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("Text(%q, %d) = %q, which does not print", b, limit, got)
		}
		if most := 10*max(limit, 0) + 40; len(got) > most {
			t.Errorf("len(Text(%q, %d)) = %d, want at most %d", b, limit, len(got), most)
		}
	})
}
