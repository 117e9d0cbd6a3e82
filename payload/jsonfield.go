package payload

import (
	"reflect"
)

// JSONInForm returns an Encoder that sends an event as JSON text in one field
// of a form, payload=%7B...%7D, as GitHub and Slack can. Field is the field's
// name; empty means "payload". The options are those of the JSON, its envelope
// too; MaxBody is the limit of the JSON before it is escaped.
//
// A CloudEventsBinary envelope is refused. Static parameters become fields of
// the form.
func JSONInForm(field string, o JSONOptions) Encoder {
	inner, err := newJSON(o)
	if err != nil {
		return broken{err: err}
	}
	if field == "" {
		field = "payload"
	}
	e := &jsonField{json: inner, name: field, names: &formEncoder{}}
	problem := e.names.checkKey(field)
	if problem == "" && o.Envelope.kind == ceBinary {
		problem = "CloudEvents in binary mode cannot stand in a form"
	}
	if problem != "" {
		return broken{err: &FieldError{Path: field, Problem: problem, Err: ErrUnsupported}}
	}
	return e
}

// jsonField is the Encoder behind JSONInForm.
type jsonField struct {
	json  *jsonEncoder
	name  string
	names *formEncoder // checks the names of parameters
}

var _ Encoder = (*jsonField)(nil)

// Check implements Encoder.
func (e *jsonField) Check(t reflect.Type) error { return e.json.Check(t) }

// Encode implements Encoder.
func (e *jsonField) Encode(dst []byte, ev *Event) (Body, error) {
	inner, err := e.json.Encode(nil, ev)
	if err != nil {
		return Body{}, err
	}
	dst = appendEscaped(dst, e.name, '+')
	dst = append(dst, '=')
	dst = appendEscaped(dst, inner.Data, '+')
	return Body{ContentType: contentForm, Data: dst}, nil
}

// CheckParams implements Encoder.
func (e *jsonField) CheckParams(_ reflect.Type, params []Param) error {
	if err := checkParams(params, e.names.checkKey); err != nil {
		return err
	}
	c := clashWalk{e: e.names}
	c.insertField(e.name)
	c.insertParams(params)
	return joinErrors(c.errs)
}

// Only implements Encoder.
func (e *jsonField) Only(t reflect.Type, paths []string) (Encoder, error) {
	inner, err := e.json.Only(t, paths)
	if err != nil {
		return nil, err
	}
	sub, ok := inner.(*jsonEncoder)
	if !ok {
		return nil, unsupported(t, "cannot choose fields")
	}
	return &jsonField{json: sub, name: e.name, names: e.names}, nil
}
