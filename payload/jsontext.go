package payload

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendJSONString quotes s as JSON.stringify does: only the quote, the
// backslash and control characters are escaped. False means that s is not
// UTF-8 and must not be sent as it is.
func appendJSONString[S string | []byte](dst []byte, s S, replace bool) ([]byte, bool) {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := decodeRune(s, i)
			if r == utf8.RuneError && size == 1 {
				if !replace {
					return dst, false
				}
				dst = append(dst, s[start:i]...)
				dst = append(dst, "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			for i%8 == 0 && i+8 <= len(s) && plainWord(wordAt(s, i)) {
				i += 8 // most text is plain
			}
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, c)
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"'), true
}

// wordAt returns eight bytes of s; the compiler makes one load of it.
func wordAt[S string | []byte](s S, i int) uint64 {
	b := s[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// plainWord reports whether none of eight bytes is escaped or beyond ASCII:
// the high bit of a byte comes out where it is, or is below 0x20, or where
// taking one from what differs from the character borrows.
func plainWord(w uint64) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	quote, backslash := w^ones*'"', w^ones*'\\'
	return (w|(w-ones*0x20)|(quote-ones)|(backslash-ones))&high == 0
}

func decodeRune[S string | []byte](s S, i int) (rune, int) {
	end := min(i+utf8.UTFMax, len(s))
	var buf [utf8.UTFMax]byte
	n := copy(buf[:], s[i:end])
	return utf8.DecodeRune(buf[:n])
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// appendFloat writes f as encoding/json and ECMAScript do; -0 is 0 there. False
// means that JSON has no such number.
func appendFloat(dst []byte, f float64, bits int) ([]byte, bool) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return dst, false
	}
	if f == 0 {
		return append(dst, '0'), true
	}
	abs := math.Abs(f)
	small, large := abs < 1e-6, abs >= 1e21
	if bits == 32 {
		// The nearest float32 of 1e-6 is a little less, and is written 1e-6.
		small, large = float32(abs) < 1e-6, float32(abs) >= 1e21
	}
	if !small && !large {
		return strconv.AppendFloat(dst, f, 'f', -1, bits), true
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, bits)
	if n := len(dst); n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1] // e-09 is e-9
		dst = dst[:n-1]
	}
	return dst, true
}

// appendRaw copies foreign JSON: without white space, its strings escaped as
// appendJSONString does, its numbers as they are.
func appendRaw(dst, raw []byte, replace bool) ([]byte, *FieldError) {
	if !json.Valid(raw) {
		return dst, invalid("is no valid JSON text")
	}
	for i := 0; i < len(raw); {
		switch c := raw[i]; c {
		case ' ', '\t', '\n', '\r':
			i++
		case '"':
			end := stringEnd(raw, i)
			var ok bool
			if dst, ok = appendRequoted(dst, raw[i+1:end], replace); !ok {
				return dst, invalid("JSON text holds a string that is not UTF-8")
			}
			i = end + 1
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst, nil
}

// stringEnd returns the index of the quote that closes the string at i.
func stringEnd(raw []byte, i int) int {
	for i++; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(raw) - 1
}

// appendRequoted takes the inside of a valid JSON string apart and quotes it
// again.
func appendRequoted(dst, in []byte, replace bool) ([]byte, bool) {
	if bytes.IndexByte(in, '\\') < 0 {
		return appendJSONString(dst, in, replace)
	}
	buf := make([]byte, 0, len(in))
	for i := 0; i < len(in); {
		if in[i] != '\\' {
			buf = append(buf, in[i])
			i++
			continue
		}
		r, n := unescape(in[i:])
		if r == utf8.RuneError && n == 6 && !replace && !isEscapedFFFD(in[i:]) {
			return dst, false
		}
		buf = utf8.AppendRune(buf, r)
		i += n
	}
	return appendJSONString(dst, buf, replace)
}

func isEscapedFFFD(in []byte) bool {
	r, ok := hexRune(in)
	return ok && r == utf8.RuneError
}

// unescape reads the escape at the start of in. A lone surrogate gives
// utf8.RuneError.
func unescape(in []byte) (rune, int) {
	switch in[1] {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
	default:
		return rune(in[1]), 2
	}
	r, _ := hexRune(in)
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if low, ok := hexRune(in[6:]); ok {
		if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
			return both, 12
		}
	}
	return utf8.RuneError, 6
}

// hexRune reads \u and four hexadecimal digits.
func hexRune(in []byte) (rune, bool) {
	if len(in) < 6 || in[0] != '\\' || in[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseInt(string(in[2:6]), 16, 32)
	return rune(n), err == nil
}
