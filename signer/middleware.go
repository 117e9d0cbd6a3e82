package signer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
)

// received is what Middleware leaves in the request's context.
type received struct {
	verified Verified
	body     []byte
}

type receivedKey struct{}

// Middleware verifies each request before next sees it. It reads the body whole,
// up to VerifierOptions.MaxBody, and gives next a body that can be read again;
// FromContext gives the verified id and the raw bytes, and a Dispatcher that is
// given the request's context continues its count of hops. A refused request is
// answered by VerifierOptions.Reject and does not reach next.
func (v *Verifier) Middleware(next http.Handler) http.Handler {
	reject := v.o.Reject
	if reject == nil {
		reject = rejectPlain
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, v.o.MaxBody))
		if err != nil {
			reject(w, r, err)
			return
		}
		ok, err := v.Verify(r.Header, body)
		if err != nil {
			reject(w, r, err)
			return
		}
		ctx := context.WithValue(r.Context(), receivedKey{}, received{verified: ok, body: body})
		r = r.WithContext(ctx)
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		next.ServeHTTP(w, r)
	})
}

// FromContext gives what Middleware verified, and the raw body, which the caller
// must not change. It reports false outside of a Middleware.
func FromContext(ctx context.Context) (Verified, []byte, bool) {
	r, ok := ctx.Value(receivedKey{}).(received)
	return r.verified, r.body, ok
}

// rejectPlain says as little as a sender needs to mend its side.
func rejectPlain(w http.ResponseWriter, _ *http.Request, err error) {
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		http.Error(w, "body too large", http.StatusRequestEntityTooLarge)
	case errors.Is(err, ErrMissingHeader), errors.Is(err, ErrMalformed),
		errors.Is(err, ErrTooOld), errors.Is(err, ErrTooNew), errors.Is(err, ErrNoMatch):
		http.Error(w, "webhook signature refused", http.StatusUnauthorized)
	default:
		http.Error(w, "body could not be read", http.StatusBadRequest)
	}
}
