package retry_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/retry"
)

func TestAfter(t *testing.T) {
	now := time.Date(2026, 3, 29, 0, 59, 30, 0, time.UTC) // half a minute before a DST change
	unbounded := retry.Policy{MaxRetryAfter: 1<<63 - 1}
	for _, tt := range []struct {
		name   string
		policy retry.Policy
		status int
		values []string
		want   time.Duration
	}{
		{name: "seconds", status: 429, values: []string{"120"}, want: 2 * time.Minute},
		{name: "seconds on 503", status: 503, values: []string{"120"}, want: 2 * time.Minute},
		{name: "leading zeros", status: 503, values: []string{"000000000000000000000000007"}, want: 7 * time.Second},
		{name: "zero", status: 503, values: []string{"0"}},
		{name: "other statuses do not count", status: 500, values: []string{"120"}},
		{name: "a redirect does not count", status: 301, values: []string{"120"}},
		{name: "success does not count", status: 200, values: []string{"120"}},
		{name: "bounded by default", status: 429, values: []string{"86400"}, want: time.Hour},
		{name: "bounded", policy: retry.Policy{MaxRetryAfter: time.Minute}, status: 429, values: []string{"61"}, want: time.Minute},
		{name: "ignored", policy: retry.Policy{MaxRetryAfter: -1}, status: 429, values: []string{"61"}},
		{name: "overflow of a duration", policy: unbounded, status: 429, values: []string{"9223372037"}, want: 1<<63 - 1},
		{name: "largest in a duration", policy: unbounded, status: 429, values: []string{"9223372036"}, want: 9223372036 * time.Second},
		{name: "overflow of an integer", policy: unbounded, status: 429, values: []string{strings.Repeat("9", 4096)}, want: 1<<63 - 1},
		{name: "date", status: 503, values: []string{"Sun, 29 Mar 2026 01:00:00 GMT"}, want: 30 * time.Second},
		{name: "date in the form of RFC 850", status: 503, values: []string{"Sunday, 29-Mar-26 01:00:00 GMT"}, want: 30 * time.Second},
		{name: "date of asctime", status: 503, values: []string{"Sun Mar 29 01:00:00 2026"}, want: 30 * time.Second},
		{name: "date that has passed", status: 503, values: []string{"Sun, 29 Mar 2026 00:00:00 GMT"}},
		{name: "date far away", policy: unbounded, status: 503, values: []string{"Fri, 31 Dec 9999 23:59:59 GMT"}, want: 1<<63 - 1},
		{name: "date far back", status: 503, values: []string{"Mon, 01 Jan 0001 00:00:00 GMT"}},
		{name: "spaces around", status: 503, values: []string{" \t5 "}, want: 5 * time.Second},
		{name: "the first of several", status: 503, values: []string{"5", "60"}, want: 5 * time.Second},
		{name: "none", status: 503},
		{name: "empty", status: 503, values: []string{""}},
		{name: "negative", status: 503, values: []string{"-5"}},
		{name: "sign", status: 503, values: []string{"+5"}},
		{name: "fraction", status: 503, values: []string{"1.5"}},
		{name: "unit", status: 503, values: []string{"5s"}},
		{name: "exponent", status: 503, values: []string{"1e3"}},
		{name: "hexadecimal", status: 503, values: []string{"0x10"}},
		{name: "other digits", status: 503, values: []string{"٣"}},
		{name: "garbage", status: 503, values: []string{"soon"}},
		{name: "list", status: 503, values: []string{"5, 10"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := retry.Response{Status: tt.status}
			if tt.values != nil {
				r.Header = http.Header{"Retry-After": tt.values}
			}
			if got := tt.policy.After(r, now); got != tt.want {
				t.Errorf("After(%d, %.40q) = %v, want %v", tt.status, tt.values, got, tt.want)
			}
		})
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{
		"", "0", "120", "-1", "9223372036854775808", "1.5", " 5\t", "soon", "5, 10",
		"Sun, 29 Mar 2026 01:00:00 GMT", "Sunday, 29-Mar-26 01:00:00 GMT", "Sun Mar 29 01:00:00 2026",
		"Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT",
	} {
		f.Add(seed, int64(1_774_746_000), int64(time.Hour))
	}
	f.Fuzz(func(t *testing.T, value string, unix, limit int64) {
		p := retry.Policy{MaxRetryAfter: time.Duration(limit)}
		r := retry.Response{Status: 429, Header: http.Header{"Retry-After": {value}}}
		now := time.Unix(unix, 0)
		got := p.After(r, now)
		bound := max(p.WithDefaults().MaxRetryAfter, 0)
		if got < 0 || got > bound {
			t.Errorf("After(%q) = %v, want from 0 to %v", value, got, bound)
		}
		if later := p.After(r, now.Add(time.Second)); later > got {
			t.Errorf("After(%q) a second later = %v, want at most %v", value, later, got)
		}
		if trimmed := strings.Trim(value, " \t"); got > 0 && strings.Trim(trimmed, "0123456789") != "" {
			if _, err := http.ParseTime(trimmed); err != nil {
				t.Errorf("After(%q) = %v, want 0: it is neither seconds nor a date", value, got)
			}
		}
	})
}
