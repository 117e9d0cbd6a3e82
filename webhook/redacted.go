package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/outhook/outhook/internal/redact"
	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/signer"
)

const mask = "***"

// String returns the endpoint's identity and where it points, without secrets.
func (e Endpoint) String() string {
	return fmt.Sprintf("endpoint %q in %q to %s (%v)", e.ID, string(e.Scope), redact.URL(e.URL), e.Status)
}

// GoString is String: no verb shows more.
func (e Endpoint) GoString() string { return e.String() }

// Format is String for every verb.
func (e Endpoint) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(e.String())) }

// LogValue shows the endpoint's identity, and no secret.
func (e Endpoint) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", e.ID), slog.String("scope", string(e.Scope)),
		slog.String("url", redact.URL(e.URL)), slog.String("status", e.Status.String()))
}

// endpointJSON is an Endpoint as JSON shows it.
type endpointJSON struct {
	ID            string            `json:"id"`
	Name          string            `json:"name,omitempty"`
	Scope         Scope             `json:"scope"`
	URL           string            `json:"url"`
	Method        string            `json:"method,omitempty"`
	Types         []string          `json:"types,omitempty"`
	Sources       []string          `json:"sources,omitempty"`
	Encoder       string            `json:"encoder,omitempty"`
	Fields        []string          `json:"fields,omitempty"`
	Policy        string            `json:"policy,omitempty"`
	Signer        string            `json:"signer,omitempty"`
	Secrets       []signer.Key      `json:"secrets,omitempty"`
	Params        []payload.Param   `json:"params,omitempty"`
	Headers       []Header          `json:"headers,omitempty"`
	Transport     string            `json:"transport,omitempty"`
	MaxConcurrent int               `json:"max_concurrent,omitempty"`
	Rate          *Rate             `json:"rate,omitempty"`
	Ordered       bool              `json:"ordered,omitempty"`
	Status        string            `json:"status"`
	StatusReason  string            `json:"status_reason,omitempty"`
	Meta          map[string]string `json:"meta,omitempty"`
}

// MarshalJSON shows everything but secrets: keys, header values, secret
// parameters, and of the URL what could be one, are masked. What it writes
// cannot be read back where something was masked; see UnmarshalJSON.
func (e Endpoint) MarshalJSON() ([]byte, error) {
	v := endpointJSON{
		ID: e.ID, Name: e.Name, Scope: e.Scope, URL: maskURL(e.URL), Method: e.Method, Types: e.Types,
		Sources: e.Sources, Encoder: e.Encoder, Fields: e.Fields, Policy: e.Policy, Signer: e.Signer,
		Secrets: e.Secrets, Params: e.Params, Headers: e.Headers, Transport: e.Transport,
		MaxConcurrent: e.MaxConcurrent, Ordered: e.Ordered, Status: e.Status.String(),
		StatusReason: e.StatusReason, Meta: e.Meta,
	}
	if e.Rate != (Rate{}) {
		v.Rate = &e.Rate
	}
	return json.Marshal(v)
}

// UnmarshalJSON reads an endpoint. A masked secret is ErrRedacted, so that
// nobody overwrites a secret with asterisks.
func (e *Endpoint) UnmarshalJSON(data []byte) error {
	var v endpointJSON
	if err := json.Unmarshal(data, &v); err != nil {
		if errors.Is(err, signer.ErrRedacted) {
			return fmt.Errorf("webhook: endpoint secrets: %w: %w", ErrRedacted, err)
		}
		return err
	}
	if strings.Contains(v.URL, mask) {
		return fmt.Errorf("webhook: endpoint url: %w", ErrRedacted)
	}
	status, ok := ParseStatus(v.Status)
	if !ok && v.Status != "" {
		return fmt.Errorf("webhook: endpoint status %q: use active, paused or disabled", clip(v.Status))
	}
	*e = Endpoint{
		ID: v.ID, Name: v.Name, Scope: v.Scope, URL: v.URL, Method: v.Method, Types: v.Types,
		Sources: v.Sources, Encoder: v.Encoder, Fields: v.Fields, Policy: v.Policy, Signer: v.Signer,
		Secrets: v.Secrets, Params: v.Params, Headers: v.Headers, Transport: v.Transport,
		MaxConcurrent: v.MaxConcurrent, Ordered: v.Ordered, Status: status,
		StatusReason: v.StatusReason, Meta: v.Meta,
	}
	if v.Rate != nil {
		e.Rate = *v.Rate
	}
	return nil
}

// maskURL keeps a URL that shows nothing secret as it is, and masks the rest.
func maskURL(raw string) string { return redact.URL(raw) }

// Format shows the name and hides the value, for every verb.
func (h Header) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(h.Name + ": " + mask)) }

// LogValue hides the value.
func (h Header) LogValue() slog.Value { return slog.StringValue(h.Name + ": " + mask) }

// MarshalJSON hides the value.
func (h Header) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"name": h.Name, "value": mask})
}

// UnmarshalJSON reads a header; a masked value is ErrRedacted.
func (h *Header) UnmarshalJSON(data []byte) error {
	var v struct{ Name, Value string }
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	if v.Value == mask {
		return fmt.Errorf("webhook: header %q: %w", clip(v.Name), ErrRedacted)
	}
	h.Name, h.Value = v.Name, v.Value
	return nil
}

// inlineID names an endpoint that is not registered, so that all deliveries to
// it share a lane.
func inlineID(e *Endpoint) string {
	sum := sha256.Sum256([]byte(string(e.Scope) + "\x00" + e.URL + "\x00" + e.Name))
	return "inline_" + hex.EncodeToString(sum[:12])
}
