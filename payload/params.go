package payload

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// maxParams is how many static parameters one endpoint may have. A body of at
// most 900 pairs and these stay under the 1000 where PHP cuts silently.
const maxParams = 64

// redacted is what a secret value is shown as.
const redacted = "[redacted]"

// Place says where a static parameter goes.
type Place uint8

// The places of a parameter.
const (
	// InBody is the end of the form, or of the JSON object that the envelope
	// holds. It is the default.
	InBody Place = iota + 1
	// InQuery is the end of the URL's query.
	InQuery
)

// String returns the place's name.
func (p Place) String() string {
	switch p {
	case 0, InBody:
		return "body"
	case InQuery:
		return "query"
	}
	return "Place(" + strconv.Itoa(int(p)) + ")"
}

// MarshalText implements encoding.TextMarshaler.
func (p Place) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Place) UnmarshalText(text []byte) error {
	switch string(text) {
	case "", "body":
		*p = InBody
	case "query":
		*p = InQuery
	default:
		return &FieldError{Path: "in", Problem: "a parameter goes in body or query", Err: ErrParam}
	}
	return nil
}

// Param is a static parameter of one endpoint: a name and a value that are
// added to every body, or to the URL, when a request is sent. It is never part
// of a stored body.
//
// The value of a secret parameter does not show in fmt's verbs, in slog and in
// JSON; only the field itself gives it. A redacted parameter that is read back
// by UnmarshalJSON is an ErrRedacted.
type Param struct {
	// Name is the parameter's name. In a form it may be bracketed, as
	// "contact[token]"; in JSON it is one member.
	Name string
	// Value is the parameter's value: a string in JSON too.
	Value string
	// In is where the parameter goes.
	//
	// Defaults to InBody.
	In Place
	// Secret keeps the value out of everything but the request.
	//
	// Defaults to false.
	Secret bool
}

var (
	_ fmt.Formatter  = Param{}
	_ fmt.Stringer   = Param{}
	_ fmt.GoStringer = Param{}
	_ slog.LogValuer = Param{}
	_ json.Marshaler = Param{}
)

func (p Param) place() Place {
	if p.In == 0 {
		return InBody
	}
	return p.In
}

// shown is the value that may be shown.
func (p Param) shown() string {
	if p.Secret {
		return redacted
	}
	return p.Value
}

// String returns name, value and place; a secret value is redacted.
func (p Param) String() string {
	return p.Name + "=" + p.shown() + " in " + p.place().String()
}

// GoString is String in Go syntax.
func (p Param) GoString() string {
	return "payload.Param{Name:" + strconv.Quote(p.Name) + ", Value:" + strconv.Quote(p.shown()) +
		", In:" + strconv.Itoa(int(p.In)) + ", Secret:" + strconv.FormatBool(p.Secret) + "}"
}

// Format writes String or, for %#v, GoString, whatever the verb is.
func (p Param) Format(f fmt.State, verb rune) {
	text := p.String()
	if verb == 'v' && f.Flag('#') {
		text = p.GoString()
	}
	_, _ = io.WriteString(f, text) // fmt gives no way to report it
}

// LogValue gives slog the parameter with a secret value redacted.
func (p Param) LogValue() slog.Value {
	return slog.GroupValue(slog.String("name", p.Name), slog.String("value", p.shown()),
		slog.String("in", p.place().String()), slog.Bool("secret", p.Secret))
}

// paramJSON is a Param on the wire of a management API.
type paramJSON struct {
	Name     string `json:"name"`
	Value    string `json:"value,omitempty"`
	In       Place  `json:"in"`
	Secret   bool   `json:"secret,omitempty"`
	Redacted bool   `json:"redacted,omitempty"`
}

// MarshalJSON writes the parameter; a secret one without its value and with
// "redacted":true.
func (p Param) MarshalJSON() ([]byte, error) {
	j := paramJSON{Name: p.Name, Value: p.Value, In: p.place(), Secret: p.Secret}
	if p.Secret {
		j.Value, j.Redacted = "", true
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads a parameter. The redacted form that MarshalJSON writes
// is refused with ErrRedacted: it would overwrite the secret.
func (p *Param) UnmarshalJSON(data []byte) error {
	var j paramJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	if j.Redacted || (j.Secret && j.Value == redacted) {
		return &FieldError{Path: j.Name, Problem: "the parameter's value is not in here", Err: ErrRedacted}
	}
	*p = Param{Name: j.Name, Value: j.Value, In: j.In, Secret: j.Secret}
	return nil
}

func anyInBody(params []Param) bool {
	for i := range params {
		if params[i].place() == InBody {
			return true
		}
	}
	return false
}

// checkParams reports what is wrong with params, whatever the body. Names
// checks the name of a body parameter.
func checkParams(params []Param, names func(string) string) error {
	var errs []error
	if len(params) > maxParams {
		errs = append(errs, &FieldError{Problem: "more than " + strconv.Itoa(maxParams) + " parameters", Err: ErrParam})
	}
	for i := range params {
		if problem := params[i].problem(); problem != "" {
			errs = append(errs, &FieldError{Path: params[i].Name, Problem: problem, Err: ErrParam})
			continue
		}
		if params[i].place() == InBody {
			if problem := names(params[i].Name); problem != "" {
				errs = append(errs, &FieldError{Path: params[i].Name, Problem: problem, Err: ErrParam})
			}
		}
		for j := range i {
			if params[j].Name == params[i].Name && params[j].place() == params[i].place() {
				errs = append(errs, &FieldError{Path: params[i].Name, Problem: "two parameters have this name", Err: ErrParam})
				break
			}
		}
	}
	return joinErrors(errs)
}

// problem says what is wrong with the parameter by itself.
func (p Param) problem() string {
	switch {
	case p.Name == "":
		return "a parameter needs a name"
	case !utf8.ValidString(p.Name):
		return "the parameter's name is not UTF-8"
	case !utf8.ValidString(p.Value):
		return "the parameter's value is not UTF-8"
	case p.Name == "__proto__":
		return "__proto__ is no name that receivers read safely"
	case p.place() > InQuery:
		return "the parameter's place is unknown: " + p.In.String()
	}
	for _, r := range p.Name {
		if unicode.IsControl(r) {
			return "the parameter's name holds a control character"
		}
	}
	return ""
}
