package payload

import (
	"errors"
	"reflect"
	"strings"
)

// FieldError says which field broke which rule. It never holds the field's
// value, so that it can be logged. errors.Is finds the sentinel in Err, and
// what a host's own Validate method returned.
type FieldError struct {
	// Type is the Go type that the rule was checked on, where it helps.
	Type string
	// Path is the dotted wire path of the field; empty for the event itself.
	Path string
	// Problem says what is wrong and how to mend it.
	Problem string
	// Err is one of this package's sentinels.
	Err error
	// Cause is what the host's own code returned, or nil.
	Cause error
}

// Error implements error.
func (e *FieldError) Error() string {
	var b strings.Builder
	if e.Err != nil {
		b.WriteString(e.Err.Error())
		b.WriteString(": ")
	}
	if e.Type != "" {
		b.WriteString(e.Type)
		b.WriteString(": ")
	}
	if e.Path != "" {
		b.WriteString(e.Path)
		b.WriteString(": ")
	}
	b.WriteString(e.Problem)
	if e.Cause != nil {
		b.WriteString(": ")
		b.WriteString(e.Cause.Error())
	}
	return b.String()
}

// Unwrap makes the sentinel and the cause visible to errors.Is and errors.As.
func (e *FieldError) Unwrap() []error {
	var errs []error
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	if e.Cause != nil {
		errs = append(errs, e.Cause)
	}
	return errs
}

func invalid(problem string) *FieldError {
	return &FieldError{Problem: problem, Err: ErrInvalid}
}

func unsupported(t reflect.Type, problem string) *FieldError {
	return &FieldError{Type: typeName(t), Problem: problem, Err: ErrUnsupported}
}

func typeName(t reflect.Type) string {
	if t == nil {
		return ""
	}
	return t.String()
}

// at puts name in front of the path of err, on the way up from a nested value.
func at(name string, err error) error {
	switch e := err.(type) { //nolint:errorlint // the outermost error alone has the path to extend
	case *FieldError:
		up := *e
		up.Path = join(name, e.Path)
		return &up
	case *problems:
		up := make([]error, len(e.errs))
		for i := range e.errs {
			up[i] = at(name, e.errs[i])
		}
		return &problems{errs: up}
	}
	return &FieldError{Path: name, Problem: "cannot be encoded", Err: ErrInvalid, Cause: err}
}

// problems are several errors, a line each.
type problems struct{ errs []error }

func (p *problems) Error() string   { return errors.Join(p.errs...).Error() }
func (p *problems) Unwrap() []error { return p.errs }

// joinErrors makes one error of many: nil of none.
func joinErrors(errs []error) error {
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return &problems{errs: errs}
}

// join puts two parts of a dotted path together.
func join(head, tail string) string {
	if head == "" {
		return tail
	}
	if tail == "" {
		return head
	}
	return head + "." + tail
}
