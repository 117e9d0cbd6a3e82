package main

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strconv"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/manage"
	"github.com/outhook/outhook/webhook/memstore"
)

// platform is the host: it redirects visitors, and tells webhooks of it.
type platform struct {
	d     *webhook.Dispatcher
	store *memstore.Store // a real platform has a database: see sqlstore
	api   *manage.API
	log   *slog.Logger

	// What follows are tables of the platform's own.
	links      map[int]*Link
	workspaces map[int]*workspace
	keys       map[[sha256.Size]byte]key
	// look finds out about a visitor: by address, by user agent.
	look func(*http.Request) Visitor
}

// workspace is a customer. Clicks of excluded addresses and ignored crawlers
// are not recorded, and so call no webhook.
type workspace struct {
	excluded []netip.Prefix
	ignored  []string
}

// newPlatform returns a platform without links. What cfg leaves open it fills
// in; rule is what it demands of URLs beyond the library's rules.
func newPlatform(cfg webhook.Config, rule func(*webhook.Endpoint) error) (*platform, error) {
	p := &platform{
		store: memstore.New(memstore.Options{}), log: cfg.Logger,
		links: make(map[int]*Link), workspaces: make(map[int]*workspace), keys: make(map[[sha256.Size]byte]key),
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	catalog := payload.NewCatalog()
	if err := payload.Describe(catalog, "click", "a link was followed", exampleClick()); err != nil {
		return nil, err
	}
	// Nothing is stored but the URLs: a delivery lives in memory, has 5 s and
	// one attempt. So there is no queue, and no Run. No answer disables a URL
	// either, not even 410: the list of URLs would not show it.
	policy := retry.FireAndForget()
	policy.Judge = retry.SuccessBelow(http.StatusMultipleChoices)
	cfg.Endpoints, cfg.Catalog, cfg.Policies = p.store, catalog, []retry.Policy{policy}
	cfg.Encoders = map[string]payload.Encoder{
		// A stranger's query need not be UTF-8.
		"json": payload.JSON(payload.JSONOptions{InvalidUTF8: payload.UTF8Replace}),
	}
	cfg.AnswerBytes = -1 // what receivers answer is not kept
	var err error
	if p.d, err = webhook.New(cfg); err != nil {
		return nil, err
	}
	p.api, err = manage.New(manage.Options{Store: p.store, Dispatcher: p.d, Authorize: p.authorize, Rule: rule})
	return p, err
}

// Handler serves the short links, and the API under /api/v1/.
func (p *platform) Handler() http.Handler {
	mux := http.NewServeMux()
	p.api.RegisterURLs(mux, "/api/v1/link/{link_id}/webhooks")
	p.api.RegisterURLs(mux, "/api/v1/workspace/{workspace_id}/webhooks")
	mux.HandleFunc("GET /{slug}", p.redirect)
	return mux
}

// redirect brings a visitor to a link's destination, whatever becomes of the
// webhooks.
func (p *platform) redirect(w http.ResponseWriter, r *http.Request) {
	link := p.bySlug(r.URL.Path)
	if link == nil || !link.Enabled {
		http.NotFound(w, r)
		return
	}
	if v := p.look(r); !p.excludes(link.WorkspaceID, &v) {
		p.clicked(r.Context(), newClick(link, &v, r))
	}
	http.Redirect(w, r, link.Destination, http.StatusFound)
}

// clicked calls the webhooks of the link and those of its workspace. It waits
// for none of them, and has no error for its caller.
func (p *platform) clicked(ctx context.Context, e ClickEvent) {
	ctx = context.WithoutCancel(ctx) // the visitor may be gone already
	if _, err := p.d.Dispatch(ctx, e, linkScope(e.Link.ID), workspaceScope(e.Link.WorkspaceID)); err != nil {
		p.log.WarnContext(ctx, "a click called no webhook", "link", e.Link.ID, "error", err)
	}
}

func linkScope(id int) webhook.Scope      { return webhook.In("link", strconv.Itoa(id)) }
func workspaceScope(id int) webhook.Scope { return webhook.In("workspace", strconv.Itoa(id)) }

func (p *platform) bySlug(slug string) *Link {
	for _, link := range p.links {
		if link.Slug == slug {
			return link
		}
	}
	return nil
}

// excludes reports whether a workspace records no clicks of v.
func (p *platform) excludes(workspaceID int, v *Visitor) bool {
	ws := p.workspaces[workspaceID]
	if ws == nil {
		return false
	}
	return v.Bot != "" && slices.Contains(ws.ignored, v.Bot) ||
		slices.ContainsFunc(ws.excluded, func(net netip.Prefix) bool { return net.Contains(v.IP.Unmap()) })
}
