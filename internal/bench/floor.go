package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outhook/outhook/signer"
)

// wire is what both sides of a scenario send, and how.
type wire struct {
	recv      *receiver
	endpoints int
	body      int // bytes of the body
	tls       bool
	http1     bool // over TLS: HTTP/1.1
	answer    bool // the receiver answers 1 KiB
	empty     bool // the process holds nothing else
	dial      func(ctx context.Context, network, addr string) (net.Conn, error)
	key       signer.Key
}

// text is the value of the event's one field that makes the body w.body long.
func (w *wire) text() string {
	return strings.Repeat("x", max(w.body-len(`{"data":""}`), 1))
}

// prepared is the body as the product encodes it.
func (w *wire) prepared() []byte { return []byte(`{"data":"` + w.text() + `"}`) }

// url is that of one endpoint.
func (w *wire) url(i int) string {
	base := "http://" + w.recv.Plain
	if w.tls {
		base = "https://" + w.recv.TLS
	}
	if w.answer {
		base += "/answer"
	}
	return fmt.Sprintf("%s/hook%d", base, i)
}

// check compares what the receiver counted with what was sent.
func (w *wire) check(n int) error {
	g, err := w.recv.take()
	if err != nil {
		return err
	}
	want := got{Requests: int64(n), Bytes: int64(n) * int64(len(w.prepared()))}
	if w.tls && !w.http1 {
		want.HTTP2 = int64(n)
	}
	if g != want {
		return fmt.Errorf("the receiver saw %+v, want %+v", g, want)
	}
	return nil
}

// client is the bare client: the transport has the settings of the product's.
func (w *wire) client() *http.Client {
	t := &http.Transport{
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: w.recv.roots},
		TLSHandshakeTimeout:    10 * time.Second,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConnsPerHost:    64,
		MaxIdleConns:           1024,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
		Protocols:              new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream: 16 << 10,
			SendPingTimeout:           15 * time.Second,
			PingTimeout:               15 * time.Second,
			WriteByteTimeout:          15 * time.Second,
		},
		DialContext: w.dial,
	}
	t.Protocols.SetHTTP1(true)
	t.Protocols.SetHTTP2(!w.http1)
	return &http.Client{Transport: t}
}

// header is that of a signed request, made once, for clients that do not sign:
// they put as many bytes on the wire as those that do.
func (w *wire) header(ctx context.Context) (http.Header, error) {
	h := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"outhook"}}
	err := signer.Standard().Sign(ctx, &signer.Request{
		ID: "msg_" + strings.Repeat("0", 26), Time: time.Now(), Method: http.MethodPost,
		URL: w.url(0), Header: h, Body: w.prepared(), Keys: []signer.Key{w.key},
	})
	return h, err
}

// poster makes one POST after the other, and allocates nothing for itself but
// what net/http asks for. It is for one goroutine.
type poster struct {
	client  *http.Client
	header  http.Header // shared, and never written to
	sign    *handSigner // nil: header is sent
	timeout time.Duration
	buf     [8 << 10]byte
}

// errAnswer is an answer that is no success.
var errAnswer = errors.New("the answer is not 200")

// post sends body once and reads the answer to its end, at most 64 KiB.
func (p *poster) post(ctx context.Context, url string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = p.header
	if p.sign != nil {
		req.Header = p.sign.header(body)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for left := 64 << 10; left > 0; {
		n, err := resp.Body.Read(p.buf[:min(left, len(p.buf))])
		left -= n
		if err != nil {
			break
		}
	}
	if resp.StatusCode != http.StatusOK {
		return errAnswer
	}
	return nil
}

// bare is the floor of deliveries without a database: workers that post a
// prepared body.
type bare struct {
	wire
	workers int
	timeout time.Duration
	signs   bool
	stores  bool // keeps each delivery and its attempt in memory
}

// rows are deliveries in memory, and what became of them.
type rows struct {
	mu   sync.Mutex
	all  []row
	kept bool
}

type row struct {
	id, endpoint int
	state        int8
	body         []byte
	created      time.Time
	attempt      *attemptRecord
}

// add stores a delivery before it is attempted.
func (r *rows) add(id, endpoint int, body []byte) int {
	if !r.kept {
		return 0
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, row{id: id, endpoint: endpoint, state: 1, body: body, created: now})
	return len(r.all) - 1
}

// end stores what became of it.
func (r *rows) end(at int, url string, began time.Time) {
	if !r.kept {
		return
	}
	a := &attemptRecord{Number: 1, Outcome: "accepted", Status: http.StatusOK, Start: began, Duration: time.Since(began), Method: http.MethodPost, URL: url}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[at].state, r.all[at].attempt = 4, a
}

// poster makes one for one of the workers.
func (b *bare) poster(client *http.Client, header http.Header) (*poster, error) {
	p := &poster{client: client, header: header, timeout: b.timeout}
	var err error
	if b.signs {
		p.sign, err = newHandSigner(b.key)
	}
	return p, err
}

func (b *bare) run(ctx context.Context, l load) (s sample, err error) {
	header, err := b.header(ctx)
	if err != nil {
		return s, err
	}
	client := b.client()
	defer client.CloseIdleConnections()
	urls := make([]string, b.endpoints)
	for i := range urls {
		urls[i] = b.url(i)
	}
	body := b.prepared()
	warm := warmUp(b.endpoints, l.n)
	if _, err := b.loop(ctx, client, header, urls, body, warm, nil); err != nil {
		return s, err
	}
	if err := b.check(warm); err != nil {
		return s, err
	}
	var took *clock
	if l.timed {
		took = newClock(l.n)
	}
	if s, err = b.loop(ctx, client, header, urls, body, l.n, took); err != nil {
		return s, err
	}
	if took != nil {
		s.Latencies = took.sorted()
	}
	return s, b.check(l.n)
}

// warmUp is how many deliveries open the connections, and make the heap as large
// as it will be, before the clock starts: a process lives for days, and its first
// page faults are not what a delivery costs. With 20,000 to measure they also
// fill the history of a store in memory, which then forgets as much as it keeps.
func warmUp(endpoints, n int) int { return max(1, max(4096, n*3/2)/endpoints) * endpoints }

func (b *bare) loop(ctx context.Context, client *http.Client, header http.Header, urls []string, body []byte, n int, took *clock) (sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m, err := startMeter(ctx)
	if err != nil {
		return sample{}, err
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	kept := &rows{kept: b.stores}
	if b.stores {
		kept.all = make([]row, 0, n) // as a store has room that had as many before
	}
	for range b.workers {
		wg.Go(func() {
			p, err := b.poster(client, header)
			cancelOn(cancel, err)
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				began, url := time.Now(), urls[i%len(urls)]
				at := kept.add(i, i%len(urls), body)
				cancelOn(cancel, p.post(ctx, url, body))
				kept.end(at, url, began)
				if took != nil {
					took.took[i] = time.Since(began)
				}
			}
		})
	}
	wg.Wait()
	s, err := m.stop(n)
	runtime.KeepAlive(kept)
	return s, errors.Join(err, context.Cause(ctx))
}
