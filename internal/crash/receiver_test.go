package crash_test

import (
	"encoding/json"
	"hash/fnv"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// arrival is a request that came.
type arrival struct {
	delivery string // message/endpoint
	endpoint string
	event    event
	token    int64
	at       time.Time
	acked    bool
}

// receiver is the oracle: it lives in the test, and remembers all.
type receiver struct {
	*httptest.Server

	conns atomic.Int64 // that are open

	mu       sync.Mutex
	arrivals []arrival
	seen     map[string]int
	acks     map[string]int
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{seen: map[string]int{}, acks: map[string]int{}}
	r.Server = httptest.NewUnstartedServer(r)
	r.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			r.conns.Add(1)
		case http.StateClosed, http.StateHijacked:
			r.conns.Add(-1)
		case http.StateActive, http.StateIdle:
		}
	}
	r.Start()
	t.Cleanup(r.Close)
	return r
}

// ServeHTTP answers one in 16 deliveries by 503 the first time, and takes from
// nothing to 7 ms.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	now := time.Now()
	a := arrival{at: now, endpoint: strings.TrimPrefix(req.URL.Path, "/")}
	a.delivery = req.Header.Get("Webhook-Id") + "/" + a.endpoint
	a.token, _ = strconv.ParseInt(req.Header.Get("X-Token"), 10, 64)
	body, err := io.ReadAll(req.Body)
	if err == nil {
		err = json.Unmarshal(body, &a.event)
	}
	if err != nil { // cut off by a kill: nothing arrived
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(a.delivery))
	sum := h.Sum32()
	time.Sleep(time.Duration(sum>>8%8) * time.Millisecond)
	status := http.StatusOK
	r.mu.Lock()
	if r.seen[a.delivery]++; r.seen[a.delivery] == 1 && sum%16 == 0 {
		status = http.StatusServiceUnavailable
	} else {
		a.acked = true
		r.acks[a.delivery]++
	}
	r.arrivals = append(r.arrivals, a)
	r.mu.Unlock()
	w.WriteHeader(status)
}

// acked returns how often each delivery was acknowledged.
func (r *receiver) acked() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.acks)
}

func (r *receiver) all() []arrival { return r.since(0) }

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.arrivals)
}

// since returns all but the first n.
func (r *receiver) since(n int) []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.arrivals[n:])
}
