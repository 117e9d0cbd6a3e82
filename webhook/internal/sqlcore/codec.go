package sqlcore

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
)

// endpointRecord is an endpoint as it is stored, secrets in clear.
type endpointRecord struct {
	ID            string            `json:"id,omitempty"`
	Name          string            `json:"name,omitempty"`
	Scope         string            `json:"scope,omitempty"`
	URL           string            `json:"url,omitempty"`
	Method        string            `json:"method,omitempty"`
	Types         []string          `json:"types,omitempty"`
	Sources       []string          `json:"sources,omitempty"`
	Encoder       string            `json:"encoder,omitempty"`
	Fields        []string          `json:"fields,omitempty"`
	Policy        string            `json:"policy,omitempty"`
	Signer        string            `json:"signer,omitempty"`
	Secrets       []string          `json:"secrets,omitempty"`
	Params        []paramRecord     `json:"params,omitempty"`
	Headers       []pair            `json:"headers,omitempty"`
	Transport     string            `json:"transport,omitempty"`
	MaxConcurrent int               `json:"max_concurrent,omitempty"`
	RateLimit     int               `json:"rate_limit,omitempty"`
	RatePer       int64             `json:"rate_per,omitempty"` // nanoseconds
	Ordered       bool              `json:"ordered,omitempty"`
	Status        webhook.Status    `json:"status,omitempty"`
	Reason        string            `json:"reason,omitempty"`
	Meta          map[string]string `json:"meta,omitempty"`
}

type paramRecord struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	In     uint8  `json:"in,omitempty"` // a payload.Place; 0 stays 0
	Secret bool   `json:"secret,omitempty"`
}

type pair struct {
	Name  string `json:"n"`
	Value string `json:"v"`
}

// encodeEndpoint gives the text to store.
func encodeEndpoint(e *webhook.Endpoint) (string, error) {
	r := endpointRecord{
		ID: e.ID, Name: e.Name, Scope: string(e.Scope), URL: e.URL, Method: e.Method,
		Types: e.Types, Sources: e.Sources, Encoder: e.Encoder, Fields: e.Fields,
		Policy: e.Policy, Signer: e.Signer, Transport: e.Transport,
		MaxConcurrent: e.MaxConcurrent, RateLimit: e.Rate.Limit, RatePer: int64(e.Rate.Per),
		Ordered: e.Ordered, Status: e.Status, Reason: e.StatusReason, Meta: e.Meta,
	}
	for i, k := range e.Secrets {
		if k.Kind() == signer.KindSigner {
			return "", fmt.Errorf("its secret %d is held by a crypto.Signer and cannot be stored: let Config resolve it", i+1)
		}
		r.Secrets = append(r.Secrets, k.Reveal())
	}
	for _, p := range e.Params {
		r.Params = append(r.Params, paramRecord{Name: p.Name, Value: p.Value, In: uint8(p.In), Secret: p.Secret})
	}
	for _, h := range e.Headers {
		r.Headers = append(r.Headers, pair{Name: h.Name, Value: h.Value})
	}
	b, err := json.Marshal(&r)
	return string(b), err
}

// decodeEndpoint is its inverse.
func decodeEndpoint(record string) (*webhook.Endpoint, error) {
	var r endpointRecord
	if err := json.Unmarshal([]byte(record), &r); err != nil {
		// The text of the error could quote what is stored.
		return nil, errors.New("the stored endpoint is no JSON of the expected form")
	}
	e := &webhook.Endpoint{
		ID: r.ID, Name: r.Name, Scope: webhook.Scope(r.Scope), URL: r.URL, Method: r.Method,
		Types: r.Types, Sources: r.Sources, Encoder: r.Encoder, Fields: r.Fields,
		Policy: r.Policy, Signer: r.Signer, Transport: r.Transport,
		MaxConcurrent: r.MaxConcurrent, Rate: webhook.Rate{Limit: r.RateLimit, Per: time.Duration(r.RatePer)},
		Ordered: r.Ordered, Status: r.Status, StatusReason: r.Reason, Meta: r.Meta,
	}
	for i, s := range r.Secrets {
		k, err := signer.ParseKey(s)
		if err != nil {
			return nil, fmt.Errorf("the stored secret %d: %w", i+1, err)
		}
		e.Secrets = append(e.Secrets, k)
	}
	for _, p := range r.Params {
		e.Params = append(e.Params, payload.Param{Name: p.Name, Value: p.Value, In: payload.Place(p.In), Secret: p.Secret})
	}
	for _, h := range r.Headers {
		e.Headers = append(e.Headers, webhook.Header{Name: h.Name, Value: h.Value})
	}
	return e, nil
}

// bodyRecord is a body without its data.
type bodyRecord struct {
	Variant     string `json:"v"`
	ContentType string `json:"t"`
	Header      []pair `json:"h,omitempty"`
	Tail        int    `json:"tail,omitempty"`
	Size        int    `json:"n"`
}

// encodeBodies gives the text that describes the bodies; their data follow each
// other.
func encodeBodies(bodies []webhook.Body) (string, error) {
	list := make([]bodyRecord, len(bodies))
	for i := range bodies {
		b := &bodies[i]
		list[i] = bodyRecord{Variant: b.Variant, ContentType: b.ContentType, Tail: b.Tail, Size: len(b.Data)}
		for _, h := range b.Header {
			list[i].Header = append(list[i].Header, pair(h))
		}
	}
	b, err := json.Marshal(list)
	return string(b), err
}

// bodiesDecoder decodes the bodies of one message after the other, of which most
// are described by the same text.
type bodiesDecoder struct {
	text string
	list []bodyRecord
}

// decode is the inverse of encodeBodies; the bodies share data.
func (d *bodiesDecoder) decode(record string, data []byte) ([]webhook.Body, error) {
	if d.list == nil || record != d.text {
		var list []bodyRecord
		if err := json.Unmarshal([]byte(record), &list); err != nil {
			return nil, errors.New("the stored description of the bodies is no JSON of the expected form")
		}
		d.text, d.list = record, list
	}
	bodies := make([]webhook.Body, len(d.list))
	for i := range d.list {
		r := &d.list[i]
		if r.Size < 0 || r.Size > len(data) {
			return nil, fmt.Errorf("body %d has %d bytes, and only %d are stored", i, r.Size, len(data))
		}
		b := &bodies[i]
		b.Variant, b.ContentType, b.Tail, b.Data = r.Variant, r.ContentType, r.Tail, data[:r.Size:r.Size]
		for _, h := range r.Header {
			b.Header = append(b.Header, payload.Header(h))
		}
		data = data[r.Size:]
	}
	return bodies, nil
}

// attemptRecord is an attempt as it is stored; the ids are those of its
// delivery.
type attemptRecord struct {
	Number   int    `json:"number"`
	Outcome  uint8  `json:"outcome"` // a retry.Outcome; its text form refuses some
	Status   int    `json:"status,omitempty"`
	Start    int64  `json:"start"`    // microseconds since 1970
	Duration int64  `json:"duration"` // nanoseconds
	Error    string `json:"error,omitempty"`
	Class    uint8  `json:"class"` // a webhook.Class
	Method   string `json:"method,omitempty"`
	URL      string `json:"url,omitempty"`
	Header   []pair `json:"header,omitempty"`
	Answer   []byte `json:"answer,omitempty"`
}

func decodeAttempt(record string) (webhook.Attempt, error) {
	var r attemptRecord
	if err := json.Unmarshal([]byte(record), &r); err != nil {
		return webhook.Attempt{}, fmt.Errorf("a stored attempt does not decode: %w", err)
	}
	a := webhook.Attempt{
		Number: r.Number, Outcome: retry.Outcome(r.Outcome), Status: r.Status, Start: at(r.Start), Duration: time.Duration(r.Duration),
		Error: r.Error, Class: webhook.Class(r.Class), Method: r.Method, URL: r.URL, Answer: r.Answer,
	}
	for _, h := range r.Header {
		a.Header = append(a.Header, payload.Header(h))
	}
	return a, nil
}
