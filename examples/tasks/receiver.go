package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/outhook/outhook/payload"
)

// maxBody bounds what the platform reads of a body, in bytes.
const maxBody = 64 << 10

// tasks is the receiving side: a platform on which each task has a URL of its
// own, which nobody can guess. Whoever knows the URL may start the task.
type tasks struct {
	story     io.Writer
	mux       *http.ServeMux
	templates map[string]string // by the token in the URL
}

// newTasks returns a platform without tasks.
func newTasks(story io.Writer) *tasks {
	ts := &tasks{story: story, mux: http.NewServeMux(), templates: make(map[string]string)}
	ts.mux.HandleFunc("POST /tasks/{token}", ts.receive)
	return ts
}

// add adds a task and returns the path of its URL, with 130 random bits. It
// must not be called while requests are served.
func (ts *tasks) add(template string) string {
	token := rand.Text()
	ts.templates[token] = template
	return "/tasks/" + token
}

// ServeHTTP implements http.Handler.
func (ts *tasks) ServeHTTP(w http.ResponseWriter, r *http.Request) { ts.mux.ServeHTTP(w, r) }

// receive starts a task: 202, or a 4xx that says what is wrong with the body.
// It trusts nobody: the sender may be any form on the web.
func (ts *tasks) receive(w http.ResponseWriter, r *http.Request) {
	template, ok := ts.templates[r.PathValue("token")]
	if !ok {
		http.Error(w, "there is no such task", http.StatusNotFound)
		return
	}
	contact, status, err := readContact(w, r)
	if err == nil {
		status = http.StatusUnprocessableEntity
		var text string
		if text, err = fill(template, contact); err == nil {
			fmt.Fprintf(ts.story, "  platform: starts a task: %s\n", text)
			w.WriteHeader(http.StatusAccepted)
			return
		}
	}
	fmt.Fprintf(ts.story, "  platform: answers %d: %v\n", status, err)
	http.Error(w, err.Error(), status)
}

// readContact reads a body, or says by which status it is refused, and why.
func readContact(w http.ResponseWriter, r *http.Request) (Contact, int, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return Contact{}, http.StatusUnsupportedMediaType, errors.New("the content type must be application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return Contact{}, http.StatusRequestEntityTooLarge, fmt.Errorf("the body has more than %d bytes", maxBody)
	case err != nil:
		return Contact{}, http.StatusBadRequest, errors.New("the body could not be read")
	}
	var c *Contact
	if err := json.Unmarshal(body, &c); err != nil || c == nil {
		return Contact{}, http.StatusBadRequest, errors.New("the body is no JSON object with texts in full_name, phone and email")
	}
	if err := payload.Validate(*c); err != nil {
		return Contact{}, http.StatusUnprocessableEntity, err
	}
	return *c, 0, nil
}
