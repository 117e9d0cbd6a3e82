package signer

import (
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/url"
	"slices"
	"strings"
)

// part is a piece of a Scheme's template: a field, or literal text.
type part struct {
	field field
	text  string
}

type field uint8

const (
	fieldLiteral field = iota + 1
	fieldBody
	fieldTimestamp
	fieldID
	fieldMethod
	fieldURL
	fieldForm
	fieldHubSpotURL
)

func fieldOf(name string) (field, bool) {
	switch name {
	case "body":
		return fieldBody, true
	case "timestamp":
		return fieldTimestamp, true
	case "id":
		return fieldID, true
	case "method":
		return fieldMethod, true
	case "url":
		return fieldURL, true
	case "form":
		return fieldForm, true
	case "hubspot-url":
		return fieldHubSpotURL, true
	}
	return 0, false
}

// parseTemplate splits text such as "v0:{timestamp}:{body}".
func parseTemplate(text string) ([]part, error) {
	var parts []part
	for text != "" {
		before, rest, open := strings.Cut(text, "{")
		if strings.Contains(before, "}") {
			return nil, fmt.Errorf("template %q: } without {", text)
		}
		if before != "" {
			parts = append(parts, part{field: fieldLiteral, text: before})
		}
		if !open {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		f, known := fieldOf(name)
		switch {
		case !closed:
			return nil, fmt.Errorf("template %q: { without }", text)
		case !known:
			return nil, fmt.Errorf("template: unknown field {%s}", name)
		}
		parts = append(parts, part{field: f})
		text = after
	}
	return parts, nil
}

// appendPart appends one piece of what is signed.
func (s *SchemeSigner) appendPart(dst []byte, p part, r *Request) ([]byte, error) {
	switch p.field {
	case fieldLiteral:
		return append(dst, p.text...), nil
	case fieldBody:
		return append(dst, r.Body...), nil
	case fieldTimestamp:
		return s.appendTime(dst, r.Time), nil
	case fieldID:
		return append(dst, r.ID...), nil
	case fieldMethod:
		return append(dst, r.Method...), nil
	case fieldURL:
		return append(dst, r.URL...), nil
	case fieldForm:
		return appendForm(dst, r)
	case fieldHubSpotURL:
		return appendHubSpotURL(dst, r.URL), nil
	}
	return dst, errors.New("unknown part") // not reached: parseTemplate makes no other
}

// appendForm appends names and values of a form body, sorted by name. Of one
// name the values go sorted and without repeats, as Twilio's JavaScript and
// Python libraries do; its Go library reads the first alone, so that a name with
// several values has no signature on which all of them agree.
func appendForm(dst []byte, r *Request) ([]byte, error) {
	contentType := strings.Join(lookup(r.Header, "Content-Type"), ",")
	if mediaType, _, err := mime.ParseMediaType(contentType); err != nil || mediaType != "application/x-www-form-urlencoded" {
		return dst, fmt.Errorf("%w: the scheme signs form bodies, and this is none by its Content-Type", ErrRequest)
	}
	form, err := url.ParseQuery(string(r.Body))
	if err != nil { // the parser's error is left out: it quotes the body
		return dst, fmt.Errorf("%w: the body is no valid form", ErrRequest)
	}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		values := form[name]
		slices.Sort(values)
		for _, v := range slices.Compact(values) {
			dst = append(append(dst, name...), v...)
		}
	}
	return dst, nil
}

// appendHubSpotURL undoes the escapes that HubSpot's text on v3 signatures
// lists, and no others.
func appendHubSpotURL(dst []byte, rawURL string) []byte {
	const undone = ":/?@!$'()*,;"
	for i := 0; i < len(rawURL); i++ {
		c := rawURL[i]
		if c == '%' && i+2 < len(rawURL) {
			hi, okHi := unhex(rawURL[i+1])
			lo, okLo := unhex(rawURL[i+2])
			if okHi && okLo && strings.IndexByte(undone, hi<<4|lo) >= 0 {
				dst = append(dst, hi<<4|lo)
				i += 2
				continue
			}
		}
		dst = append(dst, c)
	}
	return dst
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return (c | 0x20) - 'a' + 10, true
	}
	return 0, false
}
