package simtest_test

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// receive is every receiver.
func (w *world) receive(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // broken off before it was whole
	}
	host, _, _ := strings.Cut(r.Host, ":")
	id := w.byHost[host]
	_, err = w.sees.Verify(r.Header, body)
	n := w.oracle.arrived(id, host, r.Header.Get("Webhook-Id"), body, err)
	if w.replays && w.seed.share("replay", id, eventOf(body), n) < 0.1 {
		n = w.oracle.arrived(id, host, r.Header.Get("Webhook-Id"), body, err)
	}
	status, delay, header := w.answer(id, eventOf(body), n)
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	if status == 0 || r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // the answer is lost
	}
	w.oracle.answered(id, body, status)
	if header != "" {
		rw.Header().Set("Retry-After", header)
	}
	rw.WriteHeader(status)
}

// answer decides what a receiver does with the n-th request for an event;
// status 0 means that its answer is lost.
func (w *world) answer(id string, event, n int) (status int, delay time.Duration, retryAfter string) {
	delay = w.seed.between(0, 60*time.Millisecond, "took", id, event, n)
	if w.healed.Load() {
		return 200, delay, ""
	}
	if id == "alone" {
		delay += 700 * time.Millisecond
	}
	if id == "sick" && w.seed.share("sick") < 0.7 {
		return 500, delay, ""
	}
	switch p := w.seed.share("answer", id, event, n); {
	case p < 0.10:
		return 500, delay, ""
	case p < 0.16:
		return 302, delay, ""
	case p < 0.24:
		return 0, delay, ""
	case p < 0.32:
		return 0, time.Hour, "" // hangs
	case p < 0.38:
		return 200, attemptTime + 100*time.Millisecond + delay, "" // late
	case p < 0.43:
		return 429, delay, "3"
	case p < 0.48:
		return 200, 700*time.Millisecond + delay, ""
	case p < 0.484:
		return 410, delay, ""
	}
	return 200, delay, ""
}
