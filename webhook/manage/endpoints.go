package manage

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/outhook/outhook/webhook"
)

// view is an endpoint as its owner sees it. Secrets are not in it.
type view struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	URL          string   `json:"url"`
	Types        []string `json:"types"`
	Sources      []string `json:"sources"`
	Encoder      string   `json:"encoder"`
	Policy       string   `json:"policy"`
	Ordered      bool     `json:"ordered"`
	Signed       bool     `json:"signed"`
	Status       string   `json:"status"`
	StatusReason string   `json:"status_reason,omitempty"`
}

func viewOf(e *webhook.Endpoint) view {
	return view{
		ID: e.ID, Name: e.Name, URL: e.URL, Types: append([]string{}, e.Types...), Sources: append([]string{}, e.Sources...),
		Encoder: e.Encoder, Policy: e.Policy, Ordered: e.Ordered, Signed: len(e.Secrets) > 0,
		Status: status(e).String(), StatusReason: e.StatusReason,
	}
}

func status(e *webhook.Endpoint) webhook.Status { return max(e.Status, webhook.Active) }

func (a *API) list(w http.ResponseWriter, r *http.Request, scope webhook.Scope) error {
	found, err := a.o.Store.List(r.Context(), scope)
	if err != nil {
		return err
	}
	data := make([]view, len(found))
	for i, e := range found {
		data[i] = viewOf(e)
	}
	return writeJSON(w, http.StatusOK, map[string]any{"data": data})
}

// wanted is what a customer may say of an endpoint.
type wanted struct {
	Name    string   `json:"name"`
	URL     string   `json:"url"`
	Types   []string `json:"types"`
	Sources []string `json:"sources"`
}

func (a *API) set(w http.ResponseWriter, r *http.Request, scope webhook.Scope) error {
	var in wanted
	if err := readJSON(r, &in); err != nil {
		return err
	}
	stored, created, err := a.put(r.Context(), scope, in)
	if err != nil {
		return err
	}
	code := http.StatusOK
	if created {
		code = http.StatusCreated
	}
	return writeJSON(w, code, viewOf(stored))
}

// put sets one endpoint of scope, replacing the one with the same types and
// name, whose status, secrets and other fields it keeps.
func (a *API) put(ctx context.Context, scope webhook.Scope, in wanted) (e *webhook.Endpoint, created bool, err error) {
	all, err := a.o.Store.List(ctx, scope)
	if err != nil {
		return nil, false, err
	}
	next := a.o.Template
	next.ID, created = "", true
	for _, old := range all {
		if old.Name == in.Name && sameSet(old.Types, in.Types) {
			next, created = *old, false
			revive(&next)
		}
	}
	if created && len(all) >= a.o.MaxEndpoints {
		return nil, false, &problem{Status: http.StatusUnprocessableEntity, Slug: "too-many", Detail: "remove an endpoint first: there are as many as allowed"}
	}
	next.Scope, next.Name, next.URL, next.Types, next.Sources = scope, in.Name, in.URL, in.Types, in.Sources
	if next.ID == "" {
		if next.ID, err = a.o.NewID(ctx, &next); err != nil {
			return nil, false, err
		}
	}
	if err := a.check(&next); err != nil {
		return nil, false, err
	}
	if e, err = a.o.Store.Set(ctx, &next); err != nil {
		return nil, false, err
	}
	return e, created, a.o.Dispatcher.Release(ctx, e.ID)
}

// revive makes a disabled endpoint active: its owner sets it again, so that
// it is to be tried again.
func revive(e *webhook.Endpoint) {
	if e.Status == webhook.Disabled {
		e.Status, e.StatusReason = webhook.Active, ""
	}
}

func (a *API) check(e *webhook.Endpoint) error {
	if err := a.o.Dispatcher.Check(e); err != nil {
		return err
	}
	if a.o.Rule == nil {
		return nil
	}
	err := a.o.Rule(e)
	var url *webhook.URLError
	if errors.As(err, &url) {
		return err
	}
	if err != nil {
		return &problem{Status: http.StatusUnprocessableEntity, Slug: "endpoint-invalid", Detail: err.Error()}
	}
	return nil
}

func sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, s := range a {
		if !slices.Contains(b, s) {
			return false
		}
	}
	return true
}

// find returns an endpoint of scope; one of another scope is not found.
func (a *API) find(ctx context.Context, scope webhook.Scope, id string) (*webhook.Endpoint, error) {
	all, err := a.o.Store.List(ctx, scope)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if e.ID == id {
			return e, nil
		}
	}
	return nil, webhook.ErrNotFound
}

func (a *API) show(w http.ResponseWriter, r *http.Request, scope webhook.Scope) error {
	e, err := a.find(r.Context(), scope, r.PathValue("id"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, viewOf(e))
}

func (a *API) remove(w http.ResponseWriter, r *http.Request, scope webhook.Scope) error {
	e, err := a.find(r.Context(), scope, r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := a.o.Store.Remove(r.Context(), e.ID); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) pause(w http.ResponseWriter, r *http.Request, scope webhook.Scope) error {
	return a.setStatus(w, r, scope, webhook.Paused, "paused by its owner")
}

func (a *API) resume(w http.ResponseWriter, r *http.Request, scope webhook.Scope) error {
	return a.setStatus(w, r, scope, webhook.Active, "")
}

func (a *API) setStatus(w http.ResponseWriter, r *http.Request, scope webhook.Scope, s webhook.Status, reason string) error {
	ctx := r.Context()
	e, err := a.find(ctx, scope, r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := a.o.Store.SetStatus(ctx, e.ID, s, reason); err != nil {
		return err
	}
	if err := a.o.Dispatcher.Release(ctx, e.ID); err != nil {
		return err
	}
	if e, err = a.find(ctx, scope, e.ID); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, viewOf(e))
}

// readJSON reads one JSON object that has no unknown fields.
func readJSON(r *http.Request, v any) error {
	return decodeJSON(r, v, (*json.Decoder).DisallowUnknownFields)
}

// readLoosely lets unknown fields pass: clients of the list form repeat their
// scope in the body, where it counts for nothing.
func readLoosely(r *http.Request, v any) error {
	return decodeJSON(r, v, func(*json.Decoder) {})
}

func decodeJSON(r *http.Request, v any, set func(*json.Decoder)) error {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return &problem{Status: http.StatusUnsupportedMediaType, Slug: "content-type", Detail: "send the body as application/json"}
	}
	dec := json.NewDecoder(r.Body)
	set(dec)
	err := dec.Decode(v)
	if err == nil && dec.More() {
		err = errors.New("there is more than one value")
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return err
	case errors.Is(err, io.EOF):
		return &problem{Status: http.StatusBadRequest, Slug: "body-empty", Detail: "send a JSON object"}
	case err != nil && strings.HasPrefix(err.Error(), "json: unknown field"):
		return &problem{Status: http.StatusUnprocessableEntity, Slug: "unknown-field", Detail: strings.TrimPrefix(err.Error(), "json: ")}
	case err != nil:
		return &problem{Status: http.StatusBadRequest, Slug: "body-invalid", Detail: "the body is not the JSON object that this call takes"}
	}
	return nil
}

func randomID(context.Context, *webhook.Endpoint) (string, error) {
	return "end_" + strings.ToLower(rand.Text()), nil
}
