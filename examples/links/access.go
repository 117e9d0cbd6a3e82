package main

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/manage"
)

// key is what an API key opens. Only its hash is kept.
type key struct {
	workspace int
	access    manage.Access
}

// addKey lets an API key into a workspace.
func (p *platform) addKey(secret string, workspace int, access manage.Access) {
	p.keys[sha256.Sum256([]byte(secret))] = key{workspace: workspace, access: access}
}

// errForbidden is answered with 403, also where there is no such link: whose
// links there are is nobody's business.
var errForbidden = errors.New("the key does not open this")

// authorize says which scope a call of the API is about, and whether its key
// opens it.
func (p *platform) authorize(r *http.Request) (manage.Grant, error) {
	k, known := p.keys[sha256.Sum256([]byte(r.Header.Get("X-API-KEY")))]
	if !known {
		return manage.Grant{}, manage.ErrUnauthenticated
	}
	if text := r.PathValue("workspace_id"); text != "" {
		if text != strconv.Itoa(k.workspace) {
			return manage.Grant{}, errForbidden
		}
		return manage.Grant{Scope: workspaceScope(k.workspace), Access: k.access}, nil
	}
	id, err := strconv.Atoi(r.PathValue("link_id"))
	link := p.links[id]
	if err != nil || link == nil || link.WorkspaceID != k.workspace {
		return manage.Grant{}, errForbidden
	}
	return manage.Grant{Scope: linkScope(link.ID), Access: k.access}, nil
}

// httpsOnly is the platform's own rule: the secret in a URL is worth nothing
// when everybody on the way can read it.
func httpsOnly(e *webhook.Endpoint) error {
	if !strings.HasPrefix(strings.ToLower(e.URL), "https://") {
		return &webhook.URLError{Rule: "https", Detail: "the URL must begin with https://"}
	}
	return nil
}

// httpsOrLoopback is httpsOnly for those who try the platform on their own
// machine.
func httpsOrLoopback(e *webhook.Endpoint) error {
	if u, err := url.Parse(e.URL); err == nil {
		if addr, err := netip.ParseAddr(u.Hostname()); u.Hostname() == "localhost" || err == nil && addr.IsLoopback() {
			return nil
		}
	}
	return httpsOnly(e)
}
