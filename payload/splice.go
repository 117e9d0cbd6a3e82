package payload

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Splice appends to dst the stored bytes of b with the body parameters in
// their place: at the end of a form, before the last Tail bytes of JSON.
// Parameters for the query are left alone. It knows nothing but the content
// type and Tail, so that it also works on a body that another release stored,
// and allocates nothing but room in dst. The bytes of b are not changed.
//
// It returns ErrParam for a body that takes no parameters, and for a parameter
// whose name the body or an earlier parameter has already; dst is then as it
// was.
func Splice(dst []byte, b *Body, params []Param) ([]byte, error) {
	if !anyInBody(params) {
		return append(dst, b.Data...), nil
	}
	media, _, _ := strings.Cut(b.ContentType, ";")
	media = strings.TrimSpace(media)
	switch {
	case strings.EqualFold(media, contentForm) && b.Tail == 0:
		return spliceForm(dst, b.Data, params)
	case isJSON(media) && b.Tail > 0 && b.Tail < len(b.Data):
		return spliceJSON(dst, b, params)
	}
	return dst, &FieldError{Problem: "the body takes no parameters", Err: ErrParam}
}

func isJSON(media string) bool {
	if strings.EqualFold(media, contentJSON) {
		return true
	}
	const suffix = "+json"
	return len(media) > len(suffix) && strings.EqualFold(media[len(media)-len(suffix):], suffix)
}

func spliceForm(dst, data []byte, params []Param) ([]byte, error) {
	base := len(dst)
	out := append(dst, data...)
	for i := range params {
		p := &params[i]
		if p.place() != InBody {
			continue
		}
		if problem := p.problem(); problem != "" {
			return dst, &FieldError{Path: p.Name, Problem: problem, Err: ErrParam}
		}
		end := len(out)
		if end > base {
			out = append(out, '&')
		}
		start := len(out)
		out = appendEscaped(out, p.Name, '+')
		if clashForm(out[base:end], out[start:]) {
			return dst, clash(p)
		}
		out = append(out, '=')
		out = appendEscaped(out, p.Value, '+')
	}
	return out, nil
}

func clash(p *Param) error {
	return &FieldError{Path: p.Name, Problem: "the body already has this name", Err: ErrParam}
}

// clashForm tells whether body has a pair called key, or called key with
// brackets behind it, or called what stands before the brackets of key.
func clashForm(body, key []byte) bool {
	for rest := body; ; {
		i := bytes.Index(rest, key)
		if i < 0 {
			break
		}
		at := len(body) - len(rest) + i
		end := at + len(key)
		if (at == 0 || body[at-1] == '&') && (end == len(body) || keyEnds(body[end:])) {
			return true
		}
		rest = rest[i+1:]
	}
	root := bytes.Index(key, []byte("%5B"))
	if root <= 0 {
		return false
	}
	for rest := body; len(rest) > 0; {
		pair, after, _ := bytes.Cut(rest, []byte{'&'})
		name, _, _ := bytes.Cut(pair, []byte{'='})
		if len(name) < len(key) && bytes.HasPrefix(key, name) && bytes.HasPrefix(key[len(name):], []byte("%5B")) {
			return true
		}
		rest = after
	}
	return false
}

// keyEnds tells whether a form's key ends here, or goes on with a bracket.
func keyEnds(b []byte) bool {
	return b[0] == '=' || b[0] == '&' || b[0] == '[' || bytes.HasPrefix(b, []byte("%5B"))
}

func spliceJSON(dst []byte, b *Body, params []Param) ([]byte, error) {
	base := len(dst)
	cut := len(b.Data) - b.Tail
	for _, c := range b.Data[cut:] {
		if c != '}' {
			return dst, &FieldError{Problem: "the body does not end as an object does", Err: ErrParam}
		}
	}
	out := append(dst, b.Data[:cut]...)
	for i := range params {
		p := &params[i]
		if p.place() != InBody {
			continue
		}
		if problem := p.problem(); problem != "" {
			return dst, &FieldError{Path: p.Name, Problem: problem, Err: ErrParam}
		}
		end := len(out)
		if !bytes.HasSuffix(bytes.TrimRight(out[base:end], jsonSpace), []byte{'{'}) {
			out = append(out, ',')
		}
		start := len(out)
		out, _ = appendJSONString(out, p.Name, false)
		if clashJSONKey(out[base:end], out[start:], b.Tail) {
			return dst, clash(p)
		}
		out = append(out, ':')
		out, _ = appendJSONString(out, p.Value, false)
	}
	return append(out, b.Data[cut:]...), nil
}

// jsonSpace is what may stand between the tokens of JSON. Encoders of this
// package write none; those of a host may.
const jsonSpace = " \t\r\n"

// clashJSONKey tells whether the open object at depth in body has a member
// called name, which is quoted. Body ends inside that object.
func clashJSONKey(body, name []byte, depth int) bool {
	if !bytes.Contains(body, name) && bytes.IndexByte(body, '\\') < 0 {
		return false
	}
	level, found := 0, false
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			level++
		case '}', ']':
			level--
			if level < depth {
				found = false
			}
		case '"':
			end := stringEnd(body, i)
			if level == depth && isMember(body[i:end+1], body[end+1:], name) {
				found = true
			}
			i = end
		}
	}
	return found
}

// isMember tells whether the string token, which rest follows, names a member,
// and spells name.
func isMember(token, rest, name []byte) bool {
	if bytes.IndexByte(token, '\\') >= 0 && json.Valid(token) { // a stored body may be broken
		token, _ = appendRequoted(nil, token[1:len(token)-1], true)
	}
	return bytes.Equal(token, name) && bytes.HasPrefix(bytes.TrimLeft(rest, jsonSpace), []byte{':'})
}

// SpliceURL adds the query parameters to rawURL, in order and before the
// fragment; every other byte of it stays. A name that the query has already is
// an ErrParam. No error holds the URL or a value.
func SpliceURL(rawURL string, params []Param) (string, error) {
	var (
		rest, fragment = rawURL, ""
		out            []byte
	)
	if i := strings.IndexByte(rawURL, '#'); i >= 0 {
		rest, fragment = rawURL[:i], rawURL[i:]
	}
	for i := range params {
		p := &params[i]
		if p.place() != InQuery {
			continue
		}
		if problem := p.problem(); problem != "" {
			return "", &FieldError{Path: p.Name, Problem: problem, Err: ErrParam}
		}
		if out == nil {
			out = make([]byte, 0, len(rawURL)+64)
			out = append(out, rest...)
		}
		query := bytes.IndexByte(out, '?')
		switch {
		case query < 0:
			out = append(out, '?')
			query = len(out) - 1
		case query < len(out)-1 && out[len(out)-1] != '&':
			out = append(out, '&')
		}
		end := len(out)
		out = appendEscaped(out, p.Name, '+')
		if clashQuery(string(out[query+1:end]), p.Name) {
			return "", &FieldError{Path: p.Name, Problem: "the URL's query already has this name", Err: ErrParam}
		}
		out = append(out, '=')
		out = appendEscaped(out, p.Value, '+')
	}
	if out == nil {
		return rawURL, nil
	}
	return string(out) + fragment, nil
}
