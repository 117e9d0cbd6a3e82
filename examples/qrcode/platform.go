package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// lapsed is why the webhooks of a user are paused.
const lapsed = "the plan has lapsed"

// platform is the host: users who own QR codes, and their webhooks.
type platform struct {
	d       *webhook.Dispatcher
	store   *memstore.Store // a real platform has a database: see sqlstore
	catalog *payload.Catalog

	mu    sync.Mutex // held over each change, as a transaction would be
	users map[string]*user
}

// user is a row of the platform's own.
type user struct {
	token  string // the user's secret API key
	lapsed bool
}

// newPlatform returns a platform without users. What cfg leaves open it fills
// in.
func newPlatform(cfg webhook.Config) (*platform, error) {
	p := &platform{store: memstore.New(memstore.Options{}), users: make(map[string]*user)}
	var err error
	if p.catalog, err = newCatalog(); err != nil {
		return nil, err
	}
	cfg.Endpoints, cfg.Queue, cfg.Catalog = p.store, p.store, p.catalog
	p.d, err = webhook.New(cfg)
	return p, err
}

// AddUser adds a user with a secret API key.
func (p *platform) AddUser(name, token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users[name] = &user{token: token}
}

// Fire calls the webhook that the event's owner has set for it, if any.
func (p *platform) Fire(ctx context.Context, e Event) (webhook.Receipt, error) {
	return p.d.Dispatch(ctx, e, webhook.In("user", e.Owner()))
}

// SetWebhook sets the one URL of a user for one event. An earlier one is
// replaced.
func (p *platform) SetWebhook(ctx context.Context, userName string, event Name, url string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.set(ctx, userName, event, url)
}

// set is SetWebhook for those who hold the lock.
func (p *platform) set(ctx context.Context, userName string, event Name, url string) error {
	u := p.users[userName]
	if u == nil {
		return fmt.Errorf("there is no user %q", userName)
	}
	if _, known := p.catalog.Type(string(event)); !known {
		return fmt.Errorf("there is no event %q", event)
	}
	e := webhook.Endpoint{
		ID:      userName + "/" + string(event), // one URL per event and user
		Scope:   webhook.In("user", userName),
		URL:     url,
		Types:   []string{string(event)},
		Encoder: "form",
		Params:  []payload.Param{{Name: "secrettoken", Value: u.token, Secret: true}},
	}
	if u.lapsed {
		e.Status, e.StatusReason = webhook.Paused, lapsed
	}
	if err := p.d.Check(&e); err != nil {
		return err
	}
	_, err := p.store.Set(ctx, &e)
	return err
}

// Lapse pauses all webhooks of a user whose plan has ended, those that are yet
// to be set too. It takes effect within a second; what happens from then on is
// held.
func (p *platform) Lapse(ctx context.Context, userName string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	set, err := p.webhooks(ctx, userName)
	if err != nil {
		return err
	}
	p.users[userName].lapsed = true
	var errs []error
	for _, e := range set {
		if e.Status != webhook.Disabled { // else its receiver wants no more, plan or not
			errs = append(errs, p.store.SetStatus(ctx, e.ID, webhook.Paused, lapsed))
		}
	}
	return errors.Join(errs...)
}

// Renew sends what was held, and what is to come.
func (p *platform) Renew(ctx context.Context, userName string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	set, err := p.webhooks(ctx, userName)
	if err != nil {
		return err
	}
	p.users[userName].lapsed = false
	var errs []error
	for _, e := range set {
		if e.Status == webhook.Paused && e.StatusReason == lapsed {
			errs = append(errs, p.store.SetStatus(ctx, e.ID, webhook.Active, ""), p.d.Release(ctx, e.ID))
		}
	}
	return errors.Join(errs...)
}

// webhooks returns the webhooks of a user.
func (p *platform) webhooks(ctx context.Context, userName string) ([]*webhook.Endpoint, error) {
	if p.users[userName] == nil {
		return nil, fmt.Errorf("there is no user %q", userName)
	}
	return p.store.List(ctx, webhook.In("user", userName))
}

// CopyWebhooks sets the URLs of one user for another, event by event. The
// secret token is never copied: what the other receives proves that it comes
// from the other's own account.
func (p *platform) CopyWebhooks(ctx context.Context, from, to string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	set, err := p.webhooks(ctx, from)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range set {
		errs = append(errs, p.set(ctx, to, Name(e.Types[0]), e.URL))
	}
	return errors.Join(errs...)
}
