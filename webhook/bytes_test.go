package webhook_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// kept remembers what was stored.
type kept struct {
	*memstore.Store

	batches []*webhook.Batch
}

func (k *kept) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	k.batches = append(k.batches, &webhook.Batch{Message: b.Message, Deliveries: slices.Clone(b.Deliveries)})
	return k.Store.Enqueue(ctx, b)
}

// TestBodiesAreShared holds that one event is encoded once for each encoder and
// set of fields, however many endpoints want it.
func TestBodiesAreShared(t *testing.T) {
	store := &kept{Store: memstore.New(memstore.Options{})}
	d, err := webhook.New(webhook.Config{Endpoints: store, Queue: store})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, e := range []struct {
		id, encoder string
		fields      []string
		body        string
	}{
		{id: "narrow1", fields: []string{"email"}, body: `{"email":"x@example.com"}`},
		{id: "narrow2", fields: []string{"email"}, body: `{"email":"x@example.com"}`},
		{id: "both", fields: []string{"email", "name"}, body: `{"email":"x@example.com","name":"X"}`},
		{id: "turned", fields: []string{"name", "email"}, body: `{"email":"x@example.com","name":"X"}`},
		{id: "all1", body: `{"email":"x@example.com","name":"X"}`},
		{id: "all2", body: `{"email":"x@example.com","name":"X"}`},
		{id: "form1", encoder: "form", body: "email=x%40example.com&name=X"},
		{id: "form2", encoder: "form", body: "email=x%40example.com&name=X"},
		{id: "narrowform", encoder: "form", fields: []string{"email"}, body: "email=x%40example.com"},
	} {
		ep := webhook.Endpoint{ID: e.id, Name: e.id, Scope: link1, URL: "https://" + e.id + ".example/", Encoder: e.encoder, Fields: e.fields}
		if err := d.Check(&ep); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Set(t.Context(), &ep); err != nil {
			t.Fatal(err)
		}
		want[e.id] = e.body
	}
	if _, err := d.Dispatch(t.Context(), leadCreated{Email: "x@example.com", Name: "X"}, link1); err != nil {
		t.Fatal(err)
	}
	if len(store.batches) != 1 {
		t.Fatalf("%d batches were stored, want 1", len(store.batches))
	}
	b := store.batches[0]
	var variants []string
	for _, body := range b.Message.Bodies {
		variants = append(variants, body.Variant)
	}
	if len(variants) != 5 {
		t.Errorf("there are %d bodies, %q; want 5", len(variants), variants)
	}
	if len(b.Deliveries) != len(want) {
		t.Errorf("there are %d deliveries, want %d", len(b.Deliveries), len(want))
	}
	for _, dl := range b.Deliveries {
		if got := string(b.Message.Bodies[dl.Body].Data); got != want[dl.EndpointID] {
			t.Errorf("the body for %s is %s, want %s", dl.EndpointID, got, want[dl.EndpointID])
		}
	}
	if err := d.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTheWireIsAsAsked looks at the bytes of a request: method, target, and
// headers in the case that the endpoint gave them.
func TestTheWireIsAsAsked(t *testing.T) {
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	seen := make(chan string, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			seen <- err.Error()
			return
		}
		defer func() { _ = conn.Close() }()
		var raw bytes.Buffer
		req, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &raw)))
		if err == nil {
			_, err = io.Copy(io.Discard, req.Body)
		}
		if err != nil {
			raw.WriteString(err.Error())
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
		seen <- raw.String()
	}()
	d, err := webhook.New(webhook.Config{Transports: []webhook.Transport{{Name: "loopback", Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.DispatchTo(t.Context(), leadCreated{Email: "x@example.com"}, webhook.Endpoint{
		URL: "http://" + ln.Addr().String() + "/a%2Fb;c?d=%20e", Method: http.MethodPut,
		Headers: []webhook.Header{{Name: "X-GitHub-Event", Value: "push"}, {Name: "x-api-KEY", Value: "k"}, {Name: "SOAPAction", Value: `""`}},
	}); err != nil {
		t.Fatal(err)
	}
	if err := d.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	got := <-seen
	for _, want := range []string{
		"PUT /a%2Fb;c?d=%20e HTTP/1.1\r\n", "\r\nX-GitHub-Event: push\r\n", "\r\nx-api-KEY: k\r\n", "\r\nSOAPAction: \"\"\r\n",
		"\r\nContent-Type: application/json\r\n", "\r\nContent-Length: 25\r\n", "\r\n\r\n{\"email\":\"x@example.com\"}",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the request is\n%q\nwant %q in it", got, want)
		}
	}
}
