package signer_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/signer"
)

func TestCredentials(t *testing.T) {
	token := must(signer.Token("s3cret/+"))
	signers := func(c *signer.Credential, err error) *signer.Credential {
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	at := vector().Time
	for _, tt := range []struct {
		name   string
		signer *signer.Credential
		keys   []signer.Key
		header string
		want   string
	}{
		{name: "basic", signer: signers(signer.Basic("Aladdin", must(signer.Token("open sesame")))), header: "Authorization", want: "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
		{name: "basic in UTF-8", signer: signers(signer.Basic("test", must(signer.Token("123\u00a3")))), header: "Authorization", want: "Basic dGVzdDoxMjPCow=="},
		{name: "bearer", signer: signers(signer.Bearer(token)), header: "Authorization", want: "Bearer s3cret/+"},
		{name: "bearer of the request", signer: signers(signer.Bearer(signer.Key{})), keys: []signer.Key{token}, header: "Authorization", want: "Bearer s3cret/+"},
		{name: "API key", signer: signers(signer.APIKey("x-api-key", token)), header: "X-Api-Key", want: "s3cret/+"},
		{name: "gitlab", signer: signer.GitLabToken(), keys: []signer.Key{signer.GenerateSecret(), must(signer.Token("older")).Until(at), token}, header: "X-Gitlab-Token", want: "s3cret/+"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := vector(tt.keys...)
			r.Header.Set(tt.header, "stale")
			if err := tt.signer.Sign(context.Background(), r); err != nil {
				t.Fatal(err)
			}
			if got := r.Header[tt.header]; len(got) != 1 || got[0] != tt.want {
				t.Errorf("%s = %q, want %q", tt.header, got, tt.want)
			}
			if err := tt.signer.CheckKeys(tt.keys); err != nil {
				t.Errorf("CheckKeys error = %v", err)
			}
		})
	}
}

// What a receiver echoes of the credential does not reach the history.
func TestMaskSent(t *testing.T) {
	password := must(signer.Token("open sesame"))
	basic, err := signer.Basic("Aladdin", password)
	if err != nil {
		t.Fatal(err)
	}
	jwt, err := signer.NewJWT(signer.JWTOptions{Key: signer.GenerateSecret()})
	if err != nil {
		t.Fatal(err)
	}
	oauth := newOAuth2(t, &endpoint{body: goodToken}, nil)
	token := must(signer.Token("of-the-request"))
	for _, tt := range []struct {
		name   string
		signer signer.Signer
		header string
		also   string
	}{
		{name: "basic", signer: basic, header: "Authorization", also: "open sesame"},
		{name: "API key of the request", signer: signer.GitLabToken(), header: "X-Gitlab-Token"},
		{name: "OAuth2", signer: oauth, header: "Authorization", also: canary},
		{name: "JWT", signer: jwt, header: "Authorization"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := vector(token)
			all := signer.All(signer.Standard(), tt.signer)
			if err := tt.signer.Sign(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			value := r.Header.Get(tt.header)
			_, bare, ok := strings.Cut(value, " ")
			if !ok {
				bare = value
			}
			m, ok := all.(signer.Masker)
			if !ok {
				t.Fatal("All is no Masker")
			}
			got := string(m.MaskSent([]byte("you sent "+value+" "+tt.also+"."), r))
			if strings.Contains(got, bare) || (tt.also != "" && strings.Contains(got, tt.also)) || !strings.HasPrefix(got, "you sent ") {
				t.Errorf("MaskSent = %q, want %q masked", got, bare)
			}
			for _, sent := range []*signer.Request{r, vector()} {
				if got := m.MaskSent([]byte("nothing of it"), sent); string(got) != "nothing of it" {
					t.Errorf("MaskSent = %q, want no change", got)
				}
			}
		})
	}
}

func TestCredentialsRefuse(t *testing.T) {
	token := must(signer.Token("s3cret"))
	bearer := func(k signer.Key) error { _, err := signer.Bearer(k); return err }
	basic := func(user string) error { _, err := signer.Basic(user, token); return err }
	header := func(name string) error { _, err := signer.APIKey(name, token); return err }
	sign := func(keys ...signer.Key) error {
		return signer.GitLabToken().Sign(context.Background(), vector(keys...))
	}
	for _, tt := range []struct {
		name string
		err  error
		want error // nil: any
	}{
		{name: "signing secret as token", err: bearer(signer.GenerateSecret()), want: signer.ErrKeyKind},
		{name: "raw secret as token", err: bearer(must(signer.RawSecret(canary))), want: signer.ErrKeyKind},
		{name: "token with a space", err: bearer(must(signer.Token("a bcd"))), want: signer.ErrInvalidKey},
		{name: "token not ASCII", err: bearer(must(signer.Token("pässword"))), want: signer.ErrInvalidKey},
		{name: "colon in user", err: basic("a:b")},
		{name: "line end in user", err: basic("a\nb")},
		{name: "user not UTF-8", err: basic("a\xff")},
		{name: "empty header", err: header("")},
		{name: "line end in header", err: header("a\r\nb")},
		{name: "secret of the request", err: sign(signer.GenerateSecret()), want: signer.ErrKeyKind},
		{name: "ended", err: sign(token.Until(time.Unix(1, 0))), want: signer.ErrNoLiveKey},
		{name: "bad token of the request", err: sign(must(signer.Token("a bcd"))), want: signer.ErrInvalidKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.err == nil || (tt.want != nil && !errors.Is(tt.err, tt.want)) {
				t.Errorf("error = %v, want %v", tt.err, tt.want)
			}
		})
	}
	if err := signer.GitLabToken().CheckKeys([]signer.Key{must(signer.Token("a bcd"))}); !errors.Is(err, signer.ErrInvalidKey) {
		t.Errorf("CheckKeys error = %v, want ErrInvalidKey", err)
	}
	r := vector()
	r.Header.Set("X-Gitlab-Token", "stale")
	if err := signer.GitLabToken().Sign(context.Background(), r); err != nil || len(r.Header) != 0 {
		t.Errorf("Sign without keys = %v, %v, want no header", r.Header, err)
	}
	own, err := signer.Bearer(token.Until(time.Unix(1, 0)))
	if err != nil {
		t.Fatal(err)
	}
	if err := own.Sign(context.Background(), vector()); !errors.Is(err, signer.ErrNoLiveKey) {
		t.Errorf("Sign with an ended key of its own error = %v, want ErrNoLiveKey", err)
	}
}
