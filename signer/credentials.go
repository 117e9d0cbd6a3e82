package signer

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Credential sends a secret in a header: Basic, Bearer or an API key. It proves
// who sends, and nothing about the body. Only keys made by Token are sent, so
// that a secret that signs never leaves.
type Credential struct {
	header string // canonical
	lead   string // before the token; not a secret
	basic  bool
	user   string
	own    Key
}

var (
	_ Signer = (*Credential)(nil)
	_ Masker = (*Credential)(nil)
)

// Basic sends "Authorization: Basic" (RFC 7617, UTF-8). The password is a Token;
// the zero Key means the newest live Token of the request. A user with a colon
// or a control character is refused. Errors wrap ErrKeyKind where the key is at
// fault.
func Basic(user string, password Key) (*Credential, error) {
	if strings.Contains(user, ":") || hasControl(user) || !utf8.ValidString(user) {
		return nil, errors.New("basic: the user holds a colon, a control character or invalid UTF-8")
	}
	return newCredential(&Credential{header: "Authorization", lead: "Basic ", basic: true, user: user, own: password})
}

// Bearer sends "Authorization: Bearer <token>" (RFC 6750). The token is a Token
// of visible ASCII; the zero Key means the newest live Token of the request.
func Bearer(token Key) (*Credential, error) {
	return newCredential(&Credential{header: "Authorization", lead: "Bearer ", own: token})
}

// APIKey sends the key under a header of the given name, as it is. The key is a
// Token of visible ASCII; the zero Key means the newest live Token of the
// request.
func APIKey(header string, key Key) (*Credential, error) {
	if err := checkHeaderName(header); err != nil {
		return nil, err
	}
	return newCredential(&Credential{header: http.CanonicalHeaderKey(header), own: key})
}

// GitLabToken sends the newest live Token of the request as X-Gitlab-Token, the
// older of GitLab's two ways; the newer one is Standard.
func GitLabToken() *Credential {
	return &Credential{header: "X-Gitlab-Token"}
}

func newCredential(c *Credential) (*Credential, error) {
	if c.own.IsZero() {
		return c, nil
	}
	if err := c.check(c.own); err != nil {
		return nil, err
	}
	return c, nil
}

// Sign sets the header, in place of what was there; with no keys at all it takes
// the header away. Errors wrap ErrRequest, ErrKeyKind or ErrNoLiveKey.
func (c *Credential) Sign(_ context.Context, r *Request) error {
	if err := checkRequest(r); err != nil {
		return err
	}
	k, err := pick(r, c.own, SignNewest, isToken, tokenWanted)
	if err != nil {
		return fmt.Errorf("%s: %w", c.header, err)
	}
	value := ""
	if !k.IsZero() {
		if err := c.check(k); err != nil {
			return err
		}
		value = c.value(k)
	}
	setOne(r.Header, c.header, []string{value})
	return nil
}

// CheckKeys implements KeyChecker.
func (c *Credential) CheckKeys(keys []Key) error {
	if !c.own.IsZero() {
		return nil
	}
	if err := checkKeys(keys, isToken, tokenWanted); err != nil {
		return fmt.Errorf("%s: %w", c.header, err)
	}
	for _, k := range keys {
		if !isToken(k) {
			continue
		}
		if err := c.check(k); err != nil {
			return err
		}
	}
	return nil
}

// MaskSent implements Masker.
func (c *Credential) MaskSent(b []byte, r *Request) []byte {
	return maskHeader(Mask(b, []Key{c.own}), r, c.header)
}

const tokenWanted = "a credential is a key made by Token" //nolint:gosec // an error text

func isToken(k Key) bool { return k.Kind() == KindToken }

func (c *Credential) check(k Key) error {
	if !isToken(k) {
		return fmt.Errorf("%s: %w: %s, and this one is %s", c.header, ErrKeyKind, tokenWanted, k.Kind())
	}
	if !c.basic && (!visible(k.m().text) || strings.Contains(k.m().text, " ")) {
		return fmt.Errorf("%s: %w: only visible ASCII may stand in the header", c.header, ErrInvalidKey)
	}
	return nil
}

func (c *Credential) value(k Key) string {
	if !c.basic {
		return c.lead + k.m().text
	}
	return c.lead + base64.StdEncoding.EncodeToString([]byte(c.user+":"+k.m().text))
}
