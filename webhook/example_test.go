package webhook_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// ContactUpdated is an event of a host.
type ContactUpdated struct {
	Email string   `json:"email" form:"email" webhook:"required"`
	Tags  []string `json:"tags" form:"tags"`
}

// EventType implements webhook.Event.
func (ContactUpdated) EventType() string { return "contact.updated" }

// printer stands for the receivers: it prints what it is sent, and answers 200.
type printer struct{}

func (printer) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	fmt.Println(r.Method, r.URL, string(body))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// newExample returns a dispatcher whose requests are printed, and its store.
// Each delivery that ends is told to ended.
func newExample() (d *webhook.Dispatcher, store *memstore.Store, ended chan webhook.Delivery) {
	store = memstore.New(memstore.Options{})
	ended = make(chan webhook.Delivery, 10)
	catalog := payload.NewCatalog()
	if err := payload.Describe(catalog, "contact.updated", "A contact changed.", ContactUpdated{Email: "sample@example.com"}); err != nil {
		panic(err)
	}
	d, err := webhook.New(webhook.Config{
		Endpoints:  store,
		Queue:      store,
		Catalog:    catalog,
		Transports: []webhook.Transport{{Name: "printer", RoundTripper: printer{}}},
		Hooks:      webhook.Hooks{Ended: func(_ context.Context, d webhook.Delivery) { ended <- d }},
	})
	if err != nil {
		panic(err)
	}
	return d, store, ended
}

// register adds an endpoint for list 7.
func register(store *memstore.Store, e webhook.Endpoint) {
	e.Scope = webhook.In("list", "7")
	if _, err := store.Set(context.Background(), &e); err != nil {
		panic(err)
	}
}

func ExampleNew() {
	_, err := webhook.New(webhook.Config{
		Policies:  []retry.Policy{retry.AtLeastOnce()},
		UserAgent: "two\nlines",
	})
	fmt.Println(err)
	// Output:
	// webhook: Config.Policies[0]: webhook: a stored policy needs Config.Queue: set it, or use volatile policies alone
	// webhook: Config.UserAgent: must have no control characters and no space at its ends
}

func ExampleDispatcher_Dispatch() {
	d, store, ended := newExample()
	register(store, webhook.Endpoint{ID: "crm", URL: "https://crm.example/hook", Encoder: "form", Policy: "fire-and-forget"})

	receipt, err := d.Dispatch(context.Background(), ContactUpdated{Email: "ada@example.com", Tags: []string{"new", "vip"}}, webhook.In("list", "7"))
	fmt.Println((<-ended).State, len(receipt.Deliveries), err)

	_, err = d.Dispatch(context.Background(), ContactUpdated{}, webhook.In("list", "7"))
	fmt.Println(err)
	_ = d.Shutdown(context.Background())
	// Output:
	// POST https://crm.example/hook email=ada%40example.com&tags%5B%5D=new&tags%5B%5D=vip
	// delivered 1 <nil>
	// payload: invalid event: email: is required, but missing or blank
}

func ExampleDispatcher_DispatchTx() {
	d, store, ended := newExample()
	register(store, webhook.Endpoint{ID: "crm", URL: "https://crm.example/hook"})

	tx := store.Begin() // with a database: the host's own transaction
	_, err := d.DispatchTx(context.Background(), store.InTx(tx), ContactUpdated{Email: "ada@example.com"}, webhook.In("list", "7"))
	fmt.Println("dispatched", err)
	fmt.Println("committed", tx.Commit())
	d.Wake()

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	fmt.Println((<-ended).State)
	cancel()
	fmt.Println(<-done)
	_ = d.Shutdown(context.Background())
	// Output:
	// dispatched <nil>
	// committed <nil>
	// POST https://crm.example/hook {"email":"ada@example.com","tags":[]}
	// delivered
	// <nil>
}

func ExampleDispatcher_DispatchTo() {
	d, _, ended := newExample()
	_, err := d.DispatchTo(context.Background(), ContactUpdated{Email: "ada@example.com"},
		webhook.Endpoint{URL: "https://automation.example/step/3", Policy: "fire-and-forget"})
	fmt.Println((<-ended).State, err)
	_ = d.Shutdown(context.Background())
	// Output:
	// POST https://automation.example/step/3 {"email":"ada@example.com","tags":[]}
	// delivered <nil>
}

func ExampleDispatcher_Run() {
	d, store, _ := newExample()
	register(store, webhook.Endpoint{ID: "crm", URL: "https://crm.example/hook"})
	_, err := d.Dispatch(context.Background(), ContactUpdated{Email: "ada@example.com"}, webhook.In("list", "7"))
	fmt.Println(err)

	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	fmt.Println(d.Run(ctx)) // until the service is told to stop
	fmt.Println(d.Shutdown(context.Background()))
	// Output:
	// <nil>
	// POST https://crm.example/hook {"email":"ada@example.com","tags":[]}
	// <nil>
	// <nil>
}

func ExampleDispatcher_Check() {
	d, _, _ := newExample()
	err := d.Check(&webhook.Endpoint{ID: "x", Scope: webhook.In("list", "7"), URL: "https://user:pass@crm.example/", Policy: "often"})
	fmt.Println(err)
	err = d.Check(&webhook.Endpoint{ID: "x", Scope: webhook.In("list", "7"), URL: "https://crm.example/", Policy: "often"})
	fmt.Println(err)
	// Output:
	// webhook: endpoint "x": invalid url (userinfo): the URL holds a user name or password: remove it and set a header or a parameter instead
	// webhook: endpoint "x": its policy "often" is not in Config.Policies
}

func ExampleDispatcher_SendSample() {
	d, _, _ := newExample()
	attempt, err := d.SendSample(context.Background(), webhook.Endpoint{URL: "https://not-saved-yet.example/hook"}, "contact.updated")
	fmt.Println(attempt.Outcome, attempt.Status, err)
	// Output:
	// POST https://not-saved-yet.example/hook {"email":"sample@example.com","tags":[]}
	// accepted 200 <nil>
}

func ExampleDispatcher_Redeliver() {
	d, store, ended := newExample()
	register(store, webhook.Endpoint{ID: "crm", URL: "https://crm.example/hook"})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()

	_, err := d.Dispatch(ctx, ContactUpdated{Email: "ada@example.com"}, webhook.In("list", "7"))
	first := <-ended
	fmt.Println(first.State, err)
	_, err = d.Redeliver(ctx, first.ID)
	second := <-ended
	fmt.Println(second.State, second.Of == first.ID, second.MessageID == first.MessageID, err)
	cancel()
	fmt.Println(<-done)
	_ = d.Shutdown(context.Background())
	// Output:
	// POST https://crm.example/hook {"email":"ada@example.com","tags":[]}
	// delivered <nil>
	// POST https://crm.example/hook {"email":"ada@example.com","tags":[]}
	// delivered true true <nil>
	// <nil>
}
