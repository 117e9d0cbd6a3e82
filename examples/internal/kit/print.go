package kit

import (
	"fmt"
	"io"
	"net/http"
	"sync"
)

// printer writes the requests that it is given, and answers them itself.
type printer struct {
	mu  sync.Mutex
	out io.Writer
}

// RoundTrip implements http.RoundTripper: content type, content length, a
// blank line, the body, a newline; and the answer 200.
func (p *printer) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err = fmt.Fprintf(p.out, "content-type: %s\ncontent-length: %d\n\n%s\n", r.Header.Get("Content-Type"), len(body), body)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header), Body: http.NoBody, Request: r,
	}, nil
}
