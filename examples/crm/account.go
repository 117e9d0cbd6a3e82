package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// maxBody is the largest body in bytes: a note of a million characters fits,
// whatever they are.
const maxBody = 8 << 20

// crm is the host.
type crm struct {
	d       *webhook.Dispatcher
	store   *memstore.Store // a real platform has a database: see sqlstore
	catalog *payload.Catalog
}

// newCRM returns a host without accounts. What cfg leaves open it fills in.
func newCRM(cfg webhook.Config) (*crm, error) {
	c := &crm{store: memstore.New(memstore.Options{})}
	var err error
	if c.catalog, err = newCatalog(); err != nil {
		return nil, err
	}
	cfg.Endpoints, cfg.Queue, cfg.Catalog = c.store, c.store, c.catalog
	cfg.Encoders = map[string]payload.Encoder{
		"form": payload.Form(payload.FormOptions{Lists: payload.ListIndex, MaxBody: maxBody}),
	}
	// A webhook is never tried again. The default judge takes 410 for "gone":
	// the webhook is disabled until it is deleted and created anew.
	cfg.Policies = []retry.Policy{retry.AtMostOnce()}
	c.d, err = webhook.New(cfg)
	return c, err
}

// account is a customer, with lists of contacts.
type account struct {
	crm   *crm
	id    string
	lists []int

	mu    sync.Mutex // held over each change, as a transaction would be
	count int        // of webhooks ever created
}

// Webhook is what an account registers.
type Webhook struct {
	Name    string
	List    int // 0: all lists
	URL     string
	Events  []Type
	Sources []Source
}

// Fire calls the webhooks that want an event, each once, in however many lists
// it happened.
func (a *account) Fire(ctx context.Context, e Event) (webhook.Receipt, error) {
	return a.crm.d.Dispatch(ctx, e, a.scopes(e)...)
}

// scopes returns what the webhooks for an event hang on: a webhook on all lists
// on the account, one on a single list on that list. Where lists have no
// effect on the event's type, that is every list of the account. The scope
// Everywhere would hear of the other accounts too.
func (a *account) scopes(e Event) []webhook.Scope {
	lists := e.InLists()
	if !Type(e.EventType()).OfLists() {
		lists = a.lists
	}
	scopes := []webhook.Scope{a.scope(0)}
	for _, list := range lists {
		scopes = append(scopes, a.scope(list))
	}
	return scopes
}

func (a *account) scope(list int) webhook.Scope {
	if list == 0 {
		return webhook.In("account", a.id)
	}
	return webhook.In("list", a.id+"/"+strconv.Itoa(list)) // another account may count its lists from 1, too
}

// Create registers a webhook, and returns its id. Its name is free on its list.
func (a *account) Create(ctx context.Context, w Webhook) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e, err := a.endpoint(w)
	if err != nil {
		return "", err
	}
	set, err := a.crm.store.List(ctx, e.Scope)
	if err != nil {
		return "", err
	}
	for _, other := range set {
		if other.Name == w.Name {
			return "", fmt.Errorf("there is a webhook %q already: delete it first", w.Name)
		}
	}
	a.count++
	e.ID = fmt.Sprintf("%s-%d", a.id, a.count)
	_, err = a.crm.store.Set(ctx, &e)
	return e.ID, err
}

// Delete removes a webhook of this account.
func (a *account) Delete(ctx context.Context, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, list := range append([]int{0}, a.lists...) {
		set, err := a.crm.store.List(ctx, a.scope(list))
		if err != nil {
			return err
		}
		if slices.ContainsFunc(set, func(e *webhook.Endpoint) bool { return e.ID == id }) {
			return a.crm.store.Remove(ctx, id)
		}
	}
	return fmt.Errorf("there is no webhook %q", id)
}

// SendSample sends sample data to a webhook that need not be saved, and tells
// how that went.
func (a *account) SendSample(ctx context.Context, w Webhook, event Type) (webhook.Attempt, error) {
	e, err := a.endpoint(w)
	if err != nil {
		return webhook.Attempt{}, err
	}
	return a.crm.d.SendSample(ctx, e, string(event))
}

// RunStep calls the URL of a step of an automation, which is registered
// nowhere but in the automation.
func (a *account) RunStep(ctx context.Context, url string, step Step) (webhook.Receipt, error) {
	e := webhook.Endpoint{Scope: a.scope(0), URL: url, Encoder: "form"}
	if err := a.check(&e); err != nil {
		return webhook.Receipt{}, err
	}
	return a.crm.d.DispatchTo(ctx, step, e)
}

// endpoint returns what the library has to know of a webhook.
func (a *account) endpoint(w Webhook) (webhook.Endpoint, error) {
	e := webhook.Endpoint{Name: w.Name, Scope: a.scope(w.List), URL: w.URL, Encoder: "form"}
	errs := []error{a.checkChoice(&w)}
	for _, event := range w.Events {
		if _, known := a.crm.catalog.Type(string(event)); !known {
			errs = append(errs, fmt.Errorf("there is no event %q", event))
		}
		e.Types = append(e.Types, string(event))
	}
	for _, source := range w.Sources {
		if err := source.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("the source %q: %w", source, err))
		}
		e.Sources = append(e.Sources, string(source))
	}
	return e, errors.Join(append(errs, a.check(&e))...)
}

// checkChoice refuses what the library would take for "all of them".
func (a *account) checkChoice(w *Webhook) error {
	var errs []error
	if w.Name == "" {
		errs = append(errs, errors.New("give the webhook a name"))
	}
	if w.List != 0 && !slices.Contains(a.lists, w.List) {
		errs = append(errs, fmt.Errorf("there is no list %d", w.List))
	}
	if len(w.Events) == 0 {
		errs = append(errs, errors.New("choose an event at least"))
	}
	if len(w.Sources) == 0 {
		errs = append(errs, errors.New("choose a source at least"))
	}
	return errors.Join(errs...)
}

// check applies the library's rules, and then the platform's own.
func (a *account) check(e *webhook.Endpoint) error {
	if err := a.crm.d.Check(e); err != nil {
		return err
	}
	return checkURL(e.URL)
}
