package hostile_test

import (
	"log"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// A good sender's time is up to this much over on sockets, where the machine
// may be busy; in a bubble it is exact.
const late = 2 * time.Second

const (
	// heapGrowth is how much more memory an attempt may use at once.
	heapGrowth = 1 << 20
	// garbage is how much it may allocate in all, the receiver included.
	garbage = 2 << 20
)

// TestHazardsOnSockets sends to every hostile receiver over real sockets.
func TestHazardsOnSockets(t *testing.T) {
	patience := pick(60*time.Millisecond, time.Second)
	hazards := webhooktest.Hazards()
	var most, mostMade int64
	var slowest, over time.Duration
	var lines lineCounter
	log.SetOutput(&lines) // net/http tells the program's log about some of them
	defer log.SetOutput(os.Stderr)
	for _, h := range hazards {
		t.Run(h.Name, func(t *testing.T) {
			timeout := 10 * time.Second
			if h.Hangs {
				timeout = patience
			}
			before := runtime.NumGoroutine()
			s := webhooktest.NewHostile(t, h)
			r := start(t, timeout, s.Transport(), nil)
			r.set(t, webhook.Endpoint{ID: "a", Scope: scope, URL: s.URL})
			attempt := func(isFirst bool) {
				r.dispatch(t, clicked{Text: text(h)})
				d, a := <-r.ended, <-r.attempts
				judge(t, h, a, d, isFirst)
				if a.Duration > timeout+late || h.Hangs && a.Duration < timeout/2 {
					t.Errorf("the attempt took %v, its time is %v", a.Duration, timeout)
				}
				slowest, over = max(slowest, a.Duration), max(over, a.Duration-timeout)
			}
			attempt(true) // warms up
			rounds := pick(1, 4)
			made, grown := int64(0), int64(0)
			for range rounds {
				begun, peak := allocated(), meter()
				attempt(false)
				grown, made = max(grown, peak()), max(made, allocated()-begun)
			}
			t.Logf("heap +%s at once, %s made for each attempt, both sides", mib(grown), mib(made))
			if grown > heapGrowth || made > garbage {
				t.Errorf("the heap grew by %s and %s was allocated, want at most %s and %s", mib(grown), mib(made), mib(heapGrowth), mib(garbage))
			}
			r.stop(t)
			if got := s.Requests(); got > 1+rounds {
				t.Errorf("%d attempts were recorded and %d requests arrived", 1+rounds, got)
			}
			s.Close()
			settled(t, before)
			most, mostMade = max(most, grown), max(mostMade, made)
		})
	}
	t.Logf("%d hazards: heap at most +%s at once, %s made in all for each attempt; the longest attempt took %v, the latest %v over its time; net/http wrote %d lines to the program's log",
		len(hazards), mib(most), mib(mostMade), slowest, over, lines.Load())
}

// TestHazardsInABubble sends to those that need no socket, where time is exact.
func TestHazardsInABubble(t *testing.T) {
	for _, h := range webhooktest.Hazards() {
		if h.TLS {
			continue
		}
		t.Run(h.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const timeout = 7 * time.Second
				n := webhooktest.NewNetwork(t)
				s := n.Hostile("hostile.example", h)
				r := start(t, timeout, n.Transport(), nil)
				r.set(t, webhook.Endpoint{ID: "a", Scope: scope, URL: s.URL})
				for i := range 2 {
					r.dispatch(t, clicked{Text: text(h)})
					d, a := <-r.ended, <-r.attempts
					judge(t, h, a, d, i == 0)
					if h.Hangs && a.Duration != timeout {
						t.Errorf("the attempt took %v, want exactly %v", a.Duration, timeout)
					}
					if !h.Hangs && a.Duration != 0 {
						t.Errorf("the attempt took %v of virtual time, want none", a.Duration)
					}
					time.Sleep(time.Second)
				}
				r.stop(t)
				if got := s.Requests(); got > 2 {
					t.Errorf("2 attempts were recorded and %d requests arrived", got)
				}
				n.Close()
			})
		})
	}
}

// lineCounter is the log of a program.
type lineCounter struct{ atomic.Int64 }

func (c *lineCounter) Write(b []byte) (int, error) {
	c.Add(1)
	return len(b), nil
}

// text is what is sent: more than the sockets take in where nobody reads.
func text(h webhooktest.Hazard) string {
	if strings.Contains(h.Name, "never-reads") {
		return strings.Repeat("t", 60<<10)
	}
	return "hello"
}

// outcomes says what an attempt becomes, by the status or the class of failure
// that is recorded.
func outcomes() map[string]string {
	want := make(map[string]string)
	for what, names := range map[string]string{
		"200": `gzip-bomb endless-body endless-body-with-length endless-body-until-close endless-trailers
			endless-chunk-extension endless-tiny-chunks answers-nobody-asked-for slow-body slow-chunks slow-trailers
			long-body-that-stops length-too-long length-too-short length-and-chunked bad-chunk chunk-too-large
			answers-and-never-reads-the-body stale-connection closes-idle-connections refresh cookies
			http2-unread-answer http2-flood-over-window http2-empty-data-flood http2-ping-flood http2-settings-flood
			http2-priority-flood http2-data-after-reset http2-pings-after-reset http2-headers-after-reset
			http2-reset-after-answer http2-unread-and-unended`,
		"unreachable": `endless-headers endless-header-line endless-status-line 1xx-flood 100-continue-flood
			closes-unanswered two-lengths negative-length huge-length no-http resets resets-on-connect
			redirect-to-nonsense escapes-in-status-code escapes-in-protocol escapes-in-header-line
			escapes-in-header-name escapes-in-header escapes-in-length escapes-in-encoding newline-in-header
			tls-breaks-off http2-1xx-flood http2-continuation-flood http2-goaway-loop http2-goaway-after-request
			http2-refused-stream-loop http2-protocol-error http2-cancel http2-enhance-your-calm
			http2-http11-required http2-closes http2-garbage http2-frame-too-large http2-frame-announced http2-bad-compression http2-push
			http2-frame-size-zero status-000`,
		"timeout": "never-answers never-reads slow-headers slow-1xx tls-hangs http2-never-answers http2-no-window",
		"tls": `tls-untrusted tls-wrong-name tls-expired tls-too-old tls-plain-http tls-garbage
			tls-garbage-after-request`,
		"101": "switches-protocols",
		"300": "redirect-300",
		"301": "redirect-301",
		"302": "redirect-302",
		"303": "redirect-303",
		"304": "redirect-304",
		"305": "redirect-305",
		"307": "redirect-307 redirect-to-metadata redirect-to-another-host redirect-to-no-host",
		"308": "redirect-308 redirect-to-another-scheme",
		"413": "answers-before-the-body",
		"500": "escapes-in-status-text escapes-in-body newline-in-status-text",
		"503": "retry-after-for-ever",
		"999": "status-999",
		// It depends on whether we have begun to write.
		"200 or unreachable": "answers-on-connect",
	} {
		for name := range strings.FieldsSeq(names) {
			want[name] = what
		}
	}
	return want
}

// judge holds an attempt to what outcomes says. Those after the first may meet
// a connection that the receiver has spoilt.
func judge(t *testing.T, h webhooktest.Hazard, a webhook.Attempt, d webhook.Delivery, isFirst bool) {
	t.Helper()
	got := strconv.Itoa(a.Status)
	if a.Class != webhook.NoFailure && a.Class != webhook.BadStatus {
		got = a.Class.String()
	}
	want := outcomes()[h.Name]
	if want == "" || !strings.Contains(want, got) && (isFirst || got != "unreachable") {
		t.Errorf("the attempt became %q (%s), want %q", got, a.Error, want)
	}
	for _, s := range []string{a.Error, d.Reason} {
		if strings.ContainsFunc(s, unicode.IsControl) || len(s) > 2<<10 {
			t.Errorf("the error of %d bytes is not fit to print: %q", len(s), s)
		}
	}
}
