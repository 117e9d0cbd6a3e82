package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode"

	"github.com/outhook/outhook/payload"
)

// Contact is the event: somebody whom a task is to be started for. Sender and
// receiver share its rules.
type Contact struct {
	FullName string `json:"full_name" webhook:"required"`
	Phone    string `json:"phone" webhook:"required"`
	Email    string `json:"email" webhook:"required"`
	// ExtraFields are free, and keep their order. None is sent when there are
	// none.
	ExtraFields payload.Fields `json:"extra_fields,omitempty"`
}

// EventType implements webhook.Event.
func (Contact) EventType() string { return "contact.created" }

// Validate is called by the dispatcher before anything is stored or sent, also
// when nobody listens. It wants names that fit between {{ and }}, each once,
// and values that fit into a line of text.
func (c Contact) Validate() error {
	var errs []error
	seen := make(map[string]bool)
	for _, f := range c.ExtraFields {
		switch {
		case !isName(f.Name):
			errs = append(errs, fmt.Errorf("extra_fields: the name %q must be letters, digits and _", f.Name))
		case seen[f.Name]:
			errs = append(errs, fmt.Errorf("extra_fields.%s is there twice", f.Name))
		case !isScalar(f.Value):
			errs = append(errs, fmt.Errorf("extra_fields.%s must be a text, a number, true, false or null", f.Name))
		}
		seen[f.Name] = true
	}
	return errors.Join(errs...)
}

func isName(s string) bool {
	for _, c := range s {
		if c != '_' && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return false
		}
	}
	return s != ""
}

func isScalar(v any) bool {
	switch v.(type) {
	case nil, string, bool, int, int64, float64, json.Number:
		return true
	}
	return false
}

// examples returns the contacts that the example sends: those of the
// platform's documentation.
func examples() []Contact {
	return []Contact{
		{
			FullName: "Giulia Bianchi", Phone: "+39344999888", Email: "giulia@example.com",
			ExtraFields: payload.Fields{
				{Name: "eta", Value: 29}, {Name: "citta", Value: "Milano"}, {Name: "interesse", Value: "Corso di Marketing"},
			},
		},
		{FullName: "Mario Rossi", Phone: "+39333111222", Email: "mario@example.com"},
	}
}
