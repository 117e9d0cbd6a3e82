// Package manage lets a host's customers manage their endpoints over HTTP: an
// [API] that lists, sets, pauses and removes the endpoints of one scope, and
// the same as a list of bare URLs. The host says who may do what, and to which
// scope; a customer never names a scope.
package manage

import (
	"context"
	"errors"
	"net/http"

	"github.com/outhook/outhook/webhook"
)

// Access is what a request may do. Its bits can be combined.
type Access uint8

// The kinds of access.
const (
	// View lists and shows endpoints.
	View Access = 1 << iota
	// Manage sets, pauses, resumes and removes them.
	Manage
)

// Grant is what Authorize allows a request.
type Grant struct {
	// Scope is whose endpoints the request is about. It is required.
	Scope webhook.Scope
	// Access is what it may do. The zero Access may do nothing.
	Access Access
}

// ErrUnauthenticated is what Authorize returns for a request of which it does
// not know who sent it: it is answered with 401. Any other error is answered
// with 403.
var ErrUnauthenticated = errors.New("manage: not authenticated")

// Options says what an API works on.
type Options struct {
	// Store holds the endpoints. It is required.
	Store webhook.EndpointAdmin
	// Dispatcher checks endpoints before they are set, and releases them when
	// they are resumed. It is required.
	Dispatcher *webhook.Dispatcher
	// Authorize says what a request may do. It is called first, before
	// anything of the request's body is read, and for every request. It is
	// required: there is no default that would let anybody in.
	Authorize func(r *http.Request) (Grant, error)
	// Template is what a new endpoint looks like before the customer's own
	// fields are put in: its policy, signer, transport, limits. Its ID, Scope
	// and URL are ignored.
	Template webhook.Endpoint
	// NewID names a new endpoint. Defaults to random ids.
	NewID func(ctx context.Context, e *webhook.Endpoint) (string, error)
	// Rule is the host's own rule for what customers may set, as "https
	// only". Its error is shown to the customer. Defaults to none.
	Rule func(e *webhook.Endpoint) error
	// MaxEndpoints bounds the endpoints of one scope.
	//
	// Defaults to 100.
	MaxEndpoints int
	// MaxBody bounds the bytes of a request's body.
	//
	// Defaults to 64 KiB.
	MaxBody int64
}

// API serves the endpoints of a host's customers. It is safe for concurrent
// use. Mount it with Register, or with RegisterURLs for the list form.
type API struct{ o Options }

// New returns an API, or what is missing in o.
func New(o Options) (*API, error) {
	var errs []error
	if o.Store == nil {
		errs = append(errs, errors.New("manage: Options.Store is required"))
	}
	if o.Dispatcher == nil {
		errs = append(errs, errors.New("manage: Options.Dispatcher is required"))
	}
	if o.Authorize == nil {
		errs = append(errs, errors.New("manage: Options.Authorize is required: it decides who may change endpoints"))
	}
	if o.MaxEndpoints < 0 || o.MaxBody < 0 {
		errs = append(errs, errors.New("manage: Options.MaxEndpoints and MaxBody must not be negative"))
	}
	if o.MaxEndpoints == 0 {
		o.MaxEndpoints = 100
	}
	if o.MaxBody == 0 {
		o.MaxBody = 64 << 10
	}
	if o.NewID == nil {
		o.NewID = randomID
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &API{o: o}, nil
}

// Register adds the calls under prefix, which may hold wildcards that
// Authorize reads, as "/api/users/{user}/webhooks":
//
//	GET    prefix              the endpoints: {"data":[...]}
//	POST   prefix              set one: the same types and name replace
//	GET    prefix/{id}         one
//	DELETE prefix/{id}         remove it
//	POST   prefix/{id}/pause   hold its deliveries
//	POST   prefix/{id}/resume  send them, and what is to come
//
// Errors are RFC 9457 problems. An id of another scope is not found.
func (a *API) Register(mux *http.ServeMux, prefix string) {
	a.handle(mux, "GET "+prefix, View, a.list)
	a.handle(mux, "POST "+prefix, Manage, a.set)
	a.handle(mux, "GET "+prefix+"/{id}", View, a.show)
	a.handle(mux, "DELETE "+prefix+"/{id}", Manage, a.remove)
	a.handle(mux, "POST "+prefix+"/{id}/pause", Manage, a.pause)
	a.handle(mux, "POST "+prefix+"/{id}/resume", Manage, a.resume)
}

// RegisterURLs adds the list form under prefix, in which an endpoint is its
// URL and nothing else:
//
//	GET    prefix         the URLs: {"results":["https://..."]}
//	POST   prefix         add one: {"url":"https://..."}; one that is there stays
//	PUT    prefix         replace them all: {"urls":[...]} or text, one a line
//	DELETE prefix/{hook}  remove one; hook is the percent-encoded URL
func (a *API) RegisterURLs(mux *http.ServeMux, prefix string) {
	a.handle(mux, "GET "+prefix, View, a.listURLs)
	a.handle(mux, "POST "+prefix, Manage, a.addURL)
	a.handle(mux, "PUT "+prefix, Manage, a.putURLs)
	a.handle(mux, "DELETE "+prefix+"/{hook}", Manage, a.removeURL)
}

// call is one call of the API, authorized.
type call func(w http.ResponseWriter, r *http.Request, scope webhook.Scope) error

func (a *API) handle(mux *http.ServeMux, pattern string, need Access, f call) {
	guard := http.NewCrossOriginProtection()
	mux.Handle(pattern, guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		g, err := a.o.Authorize(r)
		switch {
		case errors.Is(err, ErrUnauthenticated):
			write(w, &problem{Status: http.StatusUnauthorized, Slug: "unauthenticated", Detail: "who sends this is not known"})
			return
		case err != nil || g.Access&need == 0 || g.Scope.Validate() != nil:
			write(w, &problem{Status: http.StatusForbidden, Slug: "forbidden", Detail: "this is not allowed"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, a.o.MaxBody)
		if err := f(w, r, g.Scope); err != nil {
			write(w, asProblem(err))
		}
	})))
}
