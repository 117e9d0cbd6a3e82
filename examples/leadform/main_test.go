package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-playground/form/v4"

	"github.com/outhook/outhook/examples/internal/kittest"
	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

const formType = "application/x-www-form-urlencoded"

// goldens are the bodies of the example's leads, in their order.
func goldens(t *testing.T) []string {
	t.Helper()
	var bodies []string
	for _, name := range []string{"0-lead-example", "0-lead-full", "0-lead-minimal"} {
		bodies = append(bodies, kittest.Golden(t, name))
	}
	return bodies
}

func TestPrint(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-print"}, &out); err != nil {
		t.Fatalf("run(-print) = %v", err)
	}
	printed := kittest.ParsePrinted(t, out.String())
	want := goldens(t)
	if len(printed) != len(want) {
		t.Fatalf("run(-print) printed %d requests, want %d", len(printed), len(want))
	}
	for i, p := range printed {
		if p.ContentType != formType || p.Body != want[i] {
			t.Errorf("request %d = %q %s, want %q %s", i+1, p.ContentType, p.Body, formType, want[i])
		}
	}
	const document = "ad_id=72&email=test%40transactionale.com&coupon_code=TRCOUPON&first_name=Marianna&zip_code=12345"
	if printed[0].Body != document {
		t.Errorf("the document's lead = %s, want %s", printed[0].Body, document)
	}
}

func TestStandalone(t *testing.T) {
	var out bytes.Buffer
	book := filepath.Join(t.TempDir(), "leads.jsonl")
	if err := run(t.Context(), []string{"-leads", book}, &out); err != nil {
		t.Fatalf("run = %v\n%s", err, out.String())
	}
	for _, want := range []string{
		"lead-1 is delivered after 3 attempts", "lead-2 is delivered after 1 attempts", "lead-4 is duplicate after 1 attempts",
		"lead-1 counts: true", "lead-4 counts: false",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}

// TestReceiver sends to examples/receiver in a process of its own.
func TestReceiver(t *testing.T) {
	program := kittest.Build(t)
	t.Run("503 503 200", func(t *testing.T) { testRetries(t, program) })
	t.Run("400 is known already", func(t *testing.T) { testKnown(t, program) })
	t.Run("302 is not followed", func(t *testing.T) { testRedirect(t, program) })
	t.Run("loopback is closed by default", func(t *testing.T) { testGuard(t, program) })
}

// send runs the example against r, and returns its story.
func send(t *testing.T, r *kittest.Receiver, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), append([]string{"-to", r.URL + "/hook", "-fast", "-allow-private"}, args...), &out); err != nil {
		t.Fatalf("run = %v\n%s", err, out.String())
	}
	return out.String()
}

func testRetries(t *testing.T, program string) {
	t.Helper()
	r := kittest.Start(t, program, "-status", "503,503,200")
	story := send(t, r)
	got := r.Next(5)
	r.Silent()
	bodies := goldens(t)
	for i, want := range []string{bodies[0], bodies[0], bodies[0], bodies[1], bodies[2]} {
		if got[i].Method != http.MethodPost || got[i].Header.Get("Content-Type") != formType || got[i].Body != want {
			t.Errorf("request %d = %+v, want POST %s %s", i+1, got[i], formType, want)
		}
	}
	id := func(i int) string { return got[i].Header.Get("Webhook-Id") }
	if id(0) == "" || id(1) != id(0) || id(2) != id(0) || id(3) == id(0) {
		t.Errorf("ids %q, %q, %q, %q, want the first three alike", id(0), id(1), id(2), id(3))
	}
	if !strings.Contains(story, "lead-1 is delivered after 3 attempts") {
		t.Errorf("lead-1 is not delivered after 3 attempts:\n%s", story)
	}
	sameLead(t, got[3].Body, examples()[1])
}

func testKnown(t *testing.T, program string) {
	t.Helper()
	r := kittest.Start(t, program, "-status", "400,200", "-body", "address known")
	path := filepath.Join(t.TempDir(), "leads.jsonl")
	story := send(t, r, "-leads", path)
	r.Next(3)
	r.Silent()
	if !strings.Contains(story, "lead-1 is duplicate after 1 attempts") || strings.Contains(story, "address known") {
		t.Errorf("want a duplicate after one attempt, and nothing of the answer:\n%s", story)
	}
	book, err := openBook(path) // as the next process would
	if err != nil {
		t.Fatal(err)
	}
	if book.Counts("lead-1") || !book.Counts("lead-2") || !book.Counts("lead-3") {
		t.Errorf("the file says that %v do not count, want lead-1 alone", book.known)
	}
	if err := book.Close(); err != nil {
		t.Fatal(err)
	}
}

func testRedirect(t *testing.T, program string) {
	t.Helper()
	r := kittest.Start(t, program, "-status", "302,200")
	send(t, r)
	for i, got := range r.Next(4) {
		if got.Method != http.MethodPost || got.Path != "/hook" {
			t.Errorf("request %d = %s %s, want POST /hook", i+1, got.Method, got.Path)
		}
	}
	r.Silent()
}

func testGuard(t *testing.T, program string) {
	t.Helper()
	r := kittest.Start(t, program)
	var broken *webhook.URLError
	err := run(t.Context(), []string{"-to", r.URL + "/hook", "-fast"}, io.Discard)
	if !errors.As(err, &broken) || broken.Rule != "address" {
		t.Errorf("run = %v, want an error of the rule address", err)
	}
	r.Silent()
}

// sameLead reads a body as a receiver in Go would.
func sameLead(t *testing.T, body string, want Lead) {
	t.Helper()
	values, err := url.ParseQuery(body)
	if err != nil {
		t.Fatal(err)
	}
	var got Lead
	if err := form.NewDecoder().Decode(&got, values); err != nil {
		t.Fatal(err)
	}
	if want.ID = ""; got != want {
		t.Errorf("decoded %+v, want %+v", got, want)
	}
}

// open returns a platform that sends by way, without endpoints.
func open(t *testing.T, way webhook.Transport) *platform {
	t.Helper()
	book, err := openBook(filepath.Join(t.TempDir(), "leads.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{store: memstore.New(memstore.Options{}), ended: make(chan webhook.Delivery, 64), story: io.Discard}
	p.billing = &billing{history: p.store, book: book}
	if p.d, err = webhook.New(p.config(policy(), way)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(p.d.Shutdown(context.Background()), book.Close()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestEndlessAnswer(t *testing.T) {
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		for chunk := make([]byte, 32<<10); ; {
			if _, err := w.Write(chunk); err != nil {
				return // the connection is closed
			}
		}
	}))
	defer server.Close()
	var read, closed atomic.Int64
	p := open(t, webhook.Transport{Name: "counting", DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &countingConn{Conn: conn, read: &read, closed: &closed}, err
	}})
	if err := p.register(t.Context(), "72", []string{server.URL}); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.d.Run(t.Context()) }()
	if err := p.send(t.Context(), examples()[:1]); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal("the receiver still writes")
	}
	const readLimit, slack = 64 << 10, 64 << 10 // Config.ReadLimit by default
	if n := read.Load(); n == 0 || n > readLimit+slack {
		t.Errorf("%d bytes of the answer were read, want at most %d", n, readLimit+slack)
	}
	if closed.Load() != 1 {
		t.Error("the connection is open, want it closed")
	}
}

// countingConn counts what is read of a connection, and whether it is closed.
type countingConn struct {
	net.Conn
	read, closed *atomic.Int64
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func (c *countingConn) Close() error {
	c.closed.Store(1)
	return c.Conn.Close()
}

func TestBadLeads(t *testing.T) {
	p := open(t, webhook.Transport{Name: "public"})
	for _, tt := range []struct {
		name, path string
		lead       Lead
	}{
		{name: "no email", path: "email", lead: Lead{ID: "1", AdID: "72"}},
		{name: "blank campaign", path: "ad_id", lead: Lead{ID: "2", AdID: " ", Email: "a@example.com"}},
		{name: "gender", path: "gender", lead: Lead{ID: "3", AdID: "72", Email: "a@example.com", Gender: "X"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			receipt, err := p.d.Dispatch(t.Context(), tt.lead, webhook.In("campaign", "72"))
			var field *payload.FieldError
			if !errors.As(err, &field) || field.Path != tt.path || len(receipt.Deliveries) != 0 {
				t.Errorf("Dispatch(%+v) = %+v, %v, want an error of %s", tt.lead, receipt, err, tt.path)
			}
		})
	}
}

// TestBillingComesBack holds that a note that failed is not lost.
func TestBillingComesBack(t *testing.T) {
	p := open(t, webhook.Transport{Name: "fake", RoundTripper: roundTripper(http.StatusBadRequest)})
	if err := p.register(t.Context(), "72", []string{"https://receiver.example/"}); err != nil {
		t.Fatal(err)
	}
	book := &fickleBook{fails: 1}
	p.billing.book = book
	go func() { _ = p.d.Run(t.Context()) }()
	if err := p.send(t.Context(), examples()[:1]); !errors.Is(err, errFickle) {
		t.Fatalf("send = %v, want %v", err, errFickle)
	}
	if err := p.billing.settle(t.Context()); err != nil || len(book.leads) != 1 || book.leads[0] != "lead-1" {
		t.Errorf("settle = %v and notes %q, want nil and lead-1", err, book.leads)
	}
}

// roundTripper answers with its status.
type roundTripper int

func (s roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: int(s), Header: make(http.Header), Body: http.NoBody, Request: r}, nil
}

var errFickle = errors.New("the disk is full")

type fickleBook struct {
	fails int
	leads []string
}

func (b *fickleBook) NotCounted(lead, _ string) error {
	if b.fails > 0 {
		b.fails--
		return errFickle
	}
	b.leads = append(b.leads, lead)
	return nil
}

func TestBook(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leads.jsonl")
	for range 2 { // the second time, all is noted already
		book, err := openBook(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, lead := range []string{"a", "b", "a"} {
			if err := book.NotCounted(lead, "msg_1"); err != nil {
				t.Fatal(err)
			}
		}
		if book.Counts("a") || book.Counts("b") || !book.Counts("c") {
			t.Errorf("known = %v, want a and b", book.known)
		}
		if err := book.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
