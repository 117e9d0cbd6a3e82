package manage

import (
	"context"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/outhook/outhook/webhook"
)

// The list form keeps one endpoint for each URL. Its name is the URL's own
// text, so that setting it again replaces, and its types are all.

func (a *API) listURLs(w http.ResponseWriter, r *http.Request, scope webhook.Scope) error {
	return a.answerURLs(w, r, scope, http.StatusOK)
}

func (a *API) answerURLs(w http.ResponseWriter, r *http.Request, scope webhook.Scope, code int) error {
	urls, err := a.URLs(r.Context(), scope)
	if err != nil {
		return err
	}
	return writeJSON(w, code, map[string]any{"results": urls})
}

// URLs returns the URLs of a scope's endpoints, in order, never nil.
func (a *API) URLs(ctx context.Context, scope webhook.Scope) ([]string, error) {
	all, err := a.o.Store.List(ctx, scope)
	if err != nil {
		return nil, err
	}
	urls := make([]string, 0, len(all))
	for _, e := range all {
		urls = append(urls, e.URL)
	}
	return urls, nil
}

func (a *API) addURL(w http.ResponseWriter, r *http.Request, scope webhook.Scope) error {
	var in struct {
		URL string `json:"url"`
	}
	if err := readLoosely(r, &in); err != nil {
		return err
	}
	if _, _, err := a.put(r.Context(), scope, wanted{Name: in.URL, URL: in.URL}); err != nil {
		return err
	}
	return a.answerURLs(w, r, scope, http.StatusCreated)
}

func (a *API) putURLs(w http.ResponseWriter, r *http.Request, scope webhook.Scope) error {
	urls, err := readURLs(r)
	if err != nil {
		return err
	}
	if err := a.SetURLs(r.Context(), scope, urls); err != nil {
		return err
	}
	return a.answerURLs(w, r, scope, http.StatusOK)
}

func readURLs(r *http.Request) (string, error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && t == "text/plain" {
		text, err := io.ReadAll(r.Body)
		return string(text), err
	}
	var in struct {
		URLs []string `json:"urls"`
	}
	if err := readJSON(r, &in); err != nil {
		return "", err
	}
	return strings.Join(in.URLs, "\n"), nil
}

// SetURLs makes the URLs in text, one a line, the endpoints of scope: what is
// not among them is removed, what is there already stays as it is. Blank
// lines, spaces around a URL, CRLF and repeats are allowed. A URL that breaks
// a rule is an error that names its line, and nothing is changed.
func (a *API) SetURLs(ctx context.Context, scope webhook.Scope, text string) error {
	urls, err := a.parseURLs(scope, text)
	if err != nil {
		return err
	}
	all, err := a.o.Store.List(ctx, scope)
	if err != nil {
		return err
	}
	for _, e := range all {
		if i := slices.Index(urls, e.URL); i >= 0 {
			if e.Status != webhook.Disabled { // setting it again revives it
				urls = slices.Delete(urls, i, i+1)
			}
			continue
		}
		if err := a.o.Store.Remove(ctx, e.ID); err != nil {
			return err
		}
	}
	for _, u := range urls {
		if _, _, err := a.put(ctx, scope, wanted{Name: u, URL: u}); err != nil {
			return err
		}
	}
	return nil
}

// parseURLs reads a box with one URL a line.
func (a *API) parseURLs(scope webhook.Scope, text string) ([]string, error) {
	var urls []string
	for i, line := range strings.Split(text, "\n") {
		u := strings.TrimSpace(line)
		if u == "" || slices.Contains(urls, u) {
			continue
		}
		e := a.o.Template
		e.ID, e.Scope, e.URL, e.Name = "new", scope, u, u
		if err := a.check(&e); err != nil {
			p := *asProblem(err)
			p.Line = i + 1
			return nil, &p
		}
		if urls = append(urls, u); len(urls) > a.o.MaxEndpoints {
			return nil, &problem{Status: http.StatusUnprocessableEntity, Slug: "too-many", Line: i + 1, Detail: "there are more URLs than allowed"}
		}
	}
	return urls, nil
}

func (a *API) removeURL(w http.ResponseWriter, r *http.Request, scope webhook.Scope) error {
	all, err := a.o.Store.List(r.Context(), scope)
	if err != nil {
		return err
	}
	hook := r.PathValue("hook")
	removed := false
	for _, e := range all {
		if e.URL != hook {
			continue
		}
		if err := a.o.Store.Remove(r.Context(), e.ID); err != nil {
			return err
		}
		removed = true
	}
	if !removed {
		return webhook.ErrNotFound
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
