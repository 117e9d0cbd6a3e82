package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/outhook/outhook/internal/netguard"
	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
)

// post makes one HTTP exchange: at most one request leaves, no redirect is
// followed, and of the answer at most Config.ReadLimit bytes are read. It goes
// to the transport itself: http.Client would follow, replay and retry.
func (d *Dispatcher) post(ctx context.Context, j *job, x *request) retry.Response {
	t := j.target
	to := t.url
	if x.req.URL != t.sent {
		changed, err := url.Parse(x.req.URL)
		if err != nil || changed.Host != to.Host {
			return retry.Response{Err: errors.New("its signer made a URL that is none, or of another host")}
		}
		to = changed
	}
	r := d.exchangeOnce(ctx, t, x, &x.body, to)
	for range maxUnsent {
		if !errors.Is(r.Err, netguard.ErrUnsent) || ctx.Err() != nil {
			break
		}
		// The connection ended under us, and not a byte had left.
		r = d.exchangeOnce(ctx, t, x, new(bytes.Reader), to)
	}
	return r
}

// maxUnsent bounds the dead connections that one attempt may meet.
const maxUnsent = 2

// exchangeOnce hands one request, whose body it lets reader read, to the
// transport.
func (d *Dispatcher) exchangeOnce(ctx context.Context, t *target, x *request, reader *bytes.Reader, to *url.URL) retry.Response {
	out := &http.Request{
		Method: x.req.Method, URL: to, Host: to.Host, Header: x.req.Header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		// GetBody stays nil, so that no transport can send the body again.
		Body: http.NoBody,
	}
	if n := len(x.req.Body); n > 0 {
		// net/http sends header and body in one write if it knows the reader.
		reader.Reset(x.req.Body)
		out.Body, out.ContentLength = io.NopCloser(reader), int64(n)
	}
	resp, err := t.via.roundTrip(ctx, out)
	if err != nil {
		return retry.Response{Err: err}
	}
	defer resp.Body.Close()
	if resp.StatusCode < 100 { // net/http takes three digits of any kind
		return retry.Response{Err: errors.New("the answer's status is no HTTP status")}
	}
	return retry.Response{Status: resp.StatusCode, Header: resp.Header, Body: d.readAnswer(resp)}
}

// roundTrip sends req in ctx. Our own transport makes its own copy of a request,
// so that this one needs no memory but that of the stack.
func (w *wayOut) roundTrip(ctx context.Context, req *http.Request) (*http.Response, error) {
	if wire, ok := w.rt.(*netguard.Wire); ok {
		return wire.RoundTrip(req.WithContext(ctx))
	}
	return w.rt.RoundTrip(req.WithContext(ctx))
}

// chunk is what an answer is read through.
type chunk [8 << 10]byte

type chunks struct{ pool sync.Pool }

func (c *chunks) get() *chunk {
	if b, ok := c.pool.Get().(*chunk); ok {
		return b
	}
	return new(chunk)
}

// readAnswer reads the answer to its end, so that the connection can be used
// again, but no further than ReadLimit, and returns its beginning. An answer
// that breaks off has a status all the same, and that counts.
func (d *Dispatcher) readAnswer(resp *http.Response) []byte {
	if resp.Body == http.NoBody || resp.ContentLength == 0 {
		return nil
	}
	buf := d.chunks.get()
	defer d.chunks.pool.Put(buf)
	var kept []byte
	for left := d.cfg.ReadLimit; left > 0; {
		n, err := resp.Body.Read(buf[:min(left, len(buf))])
		left -= n
		if more := d.cfg.AnswerBytes - len(kept); more > 0 && n > 0 {
			kept = append(kept, buf[:min(n, more)]...)
		}
		if err != nil {
			break
		}
	}
	return kept
}

// classOf returns the coarse kind of a failure without an answer.
func classOf(err error) Class {
	var (
		dns     *net.DNSError
		timeout interface{ Timeout() bool }
	)
	switch {
	case errors.Is(err, netguard.ErrRefused):
		return Forbidden
	case ofTLS(err):
		return TLSFailure
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return TimedOut
	case errors.As(err, &dns), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Unreachable
	case errors.Is(err, ErrPanic):
		return Internal
	}
	return Unreachable
}

// ofTLS reports whether TLS failed: a certificate, a record that is none, or
// an alert, which over TCP comes in a net.OpError of its own kind.
func ofTLS(err error) bool {
	var (
		cert   *tls.CertificateVerificationError
		alert  tls.AlertError
		record tls.RecordHeaderError
		told   *net.OpError
	)
	return errors.As(err, &cert) || errors.As(err, &alert) || errors.As(err, &record) ||
		errors.As(err, &told) && (told.Op == "remote error" || told.Op == "local error")
}

// shown returns the header as the history keeps it: what an endpoint set for
// itself, and what proves who sent it, is masked.
func (x *request) shown(t *target) []payload.Header {
	out := make([]payload.Header, 0, len(x.req.Header))
	for name, values := range x.req.Header {
		own := slices.ContainsFunc(t.ep.Headers, func(h Header) bool { return h.Name == name })
		for _, v := range values {
			if own || !plainHeader(name) {
				v = mask
			}
			out = append(out, payload.Header{Name: name, Value: v})
		}
	}
	return out
}

// plainHeader reports whether a header that we set ourselves holds no secret.
// Most names are canonical as they are.
func plainHeader(name string) bool {
	return plainName(name) || plainName(http.CanonicalHeaderKey(name))
}

func plainName(name string) bool {
	switch name {
	case "Content-Type", "User-Agent", "Webhook-Id", "Webhook-Timestamp", "Webhook-Hops", "Svix-Id", "Svix-Timestamp",
		"Ce-Id", "Ce-Type", "Ce-Source", "Ce-Specversion", "Ce-Time", "Content-Digest":
		return true
	}
	return false
}
