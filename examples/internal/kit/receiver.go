package kit

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is a real HTTP server on a free port of 127.0.0.1, in this process.
type Server struct {
	// URL is where it listens, without a path: "http://127.0.0.1:" and a port.
	URL string

	server *http.Server
	done   chan struct{}
}

// Serve starts a Server that answers by h. Close ends it.
func Serve(ctx context.Context, h http.Handler) (*Server, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("receiver: %w", err)
	}
	s := &Server{
		URL:    "http://" + l.Addr().String(),
		server: &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second},
		done:   make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(l) // it ends when Close is called
	}()
	return s, nil
}

// Close ends the server and its connections.
func (s *Server) Close() {
	_ = s.server.Close() // that connections break is what it is for
	<-s.done
}

// MaxBody bounds what ReadBody reads, in bytes.
const MaxBody = 8 << 20

// ReadBody reads the whole body of a request, or answers 413 itself and
// returns false.
func ReadBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		http.Error(w, "the body could not be read, or is too long", http.StatusRequestEntityTooLarge)
		return nil, false
	}
	return body, true
}

// Answers returns a receiver that tells story what arrives, and answers with
// these statuses in order, with the last of them from then on, and with 200 if
// there are none.
func Answers(story io.Writer, statuses ...int) http.Handler {
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := ReadBody(w, r)
		if !ok {
			return
		}
		mu.Lock()
		status := http.StatusOK
		if len(statuses) > 0 {
			status = statuses[0]
			statuses = statuses[min(1, len(statuses)-1):]
		}
		mu.Unlock()
		fmt.Fprintf(story, "  receiver: got %s\n            and answers %d\n", Clip(string(body)), status)
		w.WriteHeader(status)
	})
}

// Clip shortens what a story shows.
func Clip(s string) string {
	const limit = 200
	if len(s) <= limit {
		return s
	}
	return fmt.Sprintf("%s... (%d bytes)", s[:limit], len(s))
}
