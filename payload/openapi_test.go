package payload_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/outhook/outhook/payload"
)

func TestOpenAPI(t *testing.T) {
	c := catalogExample(t)
	info := payload.Info{Title: "Links", Version: "1.2.0", Description: "What we send."}
	text, err := c.OpenAPI(nil, info)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "openapi", append(text, '\n'))
	lead := payload.NewCatalog()
	if err := payload.Describe(lead, "lead", "A new lead.", leadExample()); err != nil {
		t.Fatal(err)
	}
	if err := payload.Describe(lead, "contact.update", "", crmUpdate{crmHead: crmHeadExample("update"), Contact: crmContactExample()}); err != nil {
		t.Fatal(err)
	}
	text, err = lead.OpenAPI(payload.Form(payload.FormOptions{}), info)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "openapi-form", append(text, '\n'))
	for name, e := range encoders() {
		if strings.HasPrefix(name, "form") {
			continue
		}
		if text, err = c.OpenAPI(e, info); err != nil || !json.Valid(text) {
			t.Errorf("OpenAPI(%s) = %s, %v, want a document", name, text, err)
		}
	}
}
