package manage

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/outhook/outhook/webhook"
)

// problem is an error as RFC 9457 shows it. Its slug is stable.
type problem struct {
	Status int
	Slug   string
	Detail string
	Line   int // of a list of URLs; 0: none
}

// Error implements error.
func (p *problem) Error() string { return "manage: " + p.text() }

func asProblem(err error) *problem {
	var (
		p     *problem
		url   *webhook.URLError
		wrong *webhook.EndpointError
		large *http.MaxBytesError
	)
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &large):
		return &problem{Status: http.StatusRequestEntityTooLarge, Slug: "body-too-large", Detail: "the body is too large"}
	case errors.Is(err, webhook.ErrNotFound):
		return &problem{Status: http.StatusNotFound, Slug: "not-found", Detail: "there is no such endpoint"}
	case errors.Is(err, webhook.ErrConflict):
		return &problem{Status: http.StatusConflict, Slug: "endpoint-exists", Detail: "the id belongs to another endpoint"}
	case errors.As(err, &url):
		return &problem{Status: http.StatusUnprocessableEntity, Slug: "url-" + url.Rule, Detail: url.Detail}
	case errors.As(err, &wrong):
		return &problem{Status: http.StatusUnprocessableEntity, Slug: "endpoint-invalid", Detail: wrong.Err.Error()}
	}
	return &problem{Status: http.StatusInternalServerError, Slug: "internal", Detail: "the endpoints could not be read or written"}
}

func write(w http.ResponseWriter, p *problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	out := map[string]any{"type": "urn:outhook:" + p.Slug, "title": http.StatusText(p.Status), "status": p.Status, "detail": p.Detail}
	if p.Line > 0 {
		out["line"] = p.Line
	}
	_ = json.NewEncoder(w).Encode(out)
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the status is out: the connection is all that can fail
	return nil
}

func (p *problem) text() string {
	if p.Line > 0 {
		return "line " + strconv.Itoa(p.Line) + ": " + p.Slug + ": " + p.Detail
	}
	return p.Slug + ": " + p.Detail
}
