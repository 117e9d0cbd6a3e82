package payload

// Info is what an OpenAPI document says about the host's API as a whole.
type Info struct {
	// Title names the API. It must not be empty.
	Title string
	// Version is the version of the document. It must not be empty.
	Version string
	// Description is a text for readers, CommonMark.
	//
	// Defaults to none.
	Description string
}

// OpenAPI returns an OpenAPI 3.1 document whose webhooks section describes
// every event type of c as e sends it, in the catalog's order. Nil stands for
// JSON(JSONOptions{}). It returns the errors of Schema, and ErrInvalid for an
// Info that lacks something.
func (c *Catalog) OpenAPI(e Encoder, info Info) ([]byte, error) {
	if blank(info.Title) || blank(info.Version) {
		return nil, invalid("an OpenAPI document needs a title and a version")
	}
	head := Fields{{Name: "title", Value: info.Title}, {Name: "version", Value: info.Version}}
	if info.Description != "" {
		head = append(head, Field{Name: "description", Value: info.Description})
	}
	b := schemaBuilder{refs: "#/components/schemas/", defs: map[*node]string{}}
	hooks := Fields{}
	for _, name := range c.Names() {
		ent, _ := c.entry(name)
		schema, err := b.event(e, name, ent)
		if err != nil {
			return nil, at(name, err)
		}
		hooks = append(hooks, Field{Name: name, Value: Fields{{Name: "post", Value: operation(e, name, ent, schema)}}})
	}
	doc := Fields{
		{Name: "openapi", Value: "3.1.0"},
		{Name: "info", Value: head},
		{Name: "jsonSchemaDialect", Value: schemaDialect},
		{Name: "webhooks", Value: hooks},
	}
	if len(b.done) > 0 {
		doc = append(doc, Field{Name: "components", Value: Fields{{Name: "schemas", Value: b.done}}})
	}
	return encodeDocument(doc)
}

// operation is the request that a receiver gets.
func operation(e Encoder, name string, ent catalogEntry, schema Fields) Fields {
	op := Fields{{Name: "operationId", Value: operationID(name)}, {Name: "summary", Value: name}}
	if ent.doc != "" {
		op = append(op, Field{Name: "description", Value: ent.doc})
	}
	if headers := ceParameters(e, name); len(headers) > 0 {
		op = append(op, Field{Name: "parameters", Value: headers})
	}
	content := Fields{{Name: mediaType(e), Value: Fields{{Name: "schema", Value: schema}}}}
	return append(op,
		Field{Name: "requestBody", Value: Fields{{Name: "required", Value: true}, {Name: "content", Value: content}}},
		Field{Name: "responses", Value: Fields{{
			Name:  "2XX",
			Value: Fields{{Name: "description", Value: "The event was received."}},
		}}},
	)
}

// operationID keeps what code generators can put into a name.
func operationID(name string) string {
	out := []byte(name)
	for i, c := range out {
		if !unreserved(c) || c == '.' || c == '~' {
			out[i] = '_'
		}
	}
	return string(out)
}

// mediaType is the content type of an encoder, without parameters.
func mediaType(e Encoder) string {
	switch enc := e.(type) {
	case *formEncoder, *jsonField:
		return contentForm
	case *jsonEncoder:
		if enc.envelope.kind == ceStructured {
			return "application/cloudevents+json"
		}
	}
	return contentJSON
}

// ceParameters are the headers of CloudEvents in binary mode.
func ceParameters(e Encoder, name string) []any {
	enc, ok := e.(*jsonEncoder)
	if !ok || enc.envelope.kind != ceBinary {
		return nil
	}
	var out []any
	for _, h := range ceHeader(&Event{Type: name}, enc.envelope.source, "") {
		schema := typed("string")
		if h.Name == "ce-specversion" || h.Name == "ce-type" {
			schema = append(schema, Field{Name: "const", Value: h.Value})
		}
		out = append(out, Fields{
			{Name: "name", Value: h.Name},
			{Name: "in", Value: "header"},
			{Name: "required", Value: true},
			{Name: "schema", Value: schema},
		})
	}
	return out
}
