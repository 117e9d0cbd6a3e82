package signer_test

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/signer"
)

// outputs prints v in every way that a host may happen to print it.
func outputs(v any) []string {
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T"} {
		out = append(out, fmt.Sprintf(verb, v), fmt.Sprintf(verb, []any{v}), fmt.Sprintf(verb, map[string]any{"k": v}))
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
	out = append(out, log.String())
	if b, err := json.Marshal(v); err == nil {
		out = append(out, string(b))
	} else {
		out = append(out, err.Error())
	}
	var g bytes.Buffer
	err := gob.NewEncoder(&g).Encode(v)
	return append(out, g.String(), fmt.Sprint(err))
}

// shows tells which form of the secret stands in s.
func shows(s string, key signer.Key) bool {
	return !bytes.Equal(signer.Mask([]byte(s), []signer.Key{key}), []byte(s))
}

func TestKeyIsNeverPrinted(t *testing.T) {
	for _, k := range []signer.Key{
		must(signer.RawSecret(canary)),
		must(signer.Token(canary)),
		must(signer.ParseSecret("whsec_" + base64.StdEncoding.EncodeToString([]byte(canary)))),
		must(signer.ParsePrivateKey(vectorPrivate)).Until(time.Now()),
	} {
		type exported struct {
			Name string
			Key  signer.Key
			Ptr  *signer.Key
			List []signer.Key
			Map  map[string]signer.Key
		}
		type hidden struct {
			key  signer.Key
			ptr  *signer.Key
			list []signer.Key
			m    map[signer.Key]signer.Key
		}
		h := hidden{key: k, ptr: &k, list: []signer.Key{k}, m: map[signer.Key]signer.Key{k: k}}
		for _, v := range []any{
			k, &k,
			[]signer.Key{k},
			[]*signer.Key{&k},
			[1]signer.Key{k},
			map[string]signer.Key{"k": k},
			map[signer.Key]int{k: 1},
			exported{Key: k, Ptr: &k, List: []signer.Key{k}, Map: map[string]signer.Key{"k": k}},
			&exported{Key: k, Ptr: &k, List: []signer.Key{k}, Map: map[string]signer.Key{"k": k}},
			h, &h, errors.Join(fmt.Errorf("wrapped %v", k)),
		} {
			for _, s := range outputs(v) {
				if shows(s, k) {
					t.Errorf("%T with a %s key prints %.200s", v, k.Kind(), s)
				}
			}
		}
	}
}

func TestRedactedForms(t *testing.T) {
	k := must(signer.ParseSecret(vectorSecret))
	end := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		got  string
		want string
	}{
		{name: "v", got: fmt.Sprintf("%v", k), want: "whsec_***"},
		{name: "q", got: fmt.Sprintf("%q", k), want: `"whsec_***"`},
		{name: "x", got: fmt.Sprintf("%x", k), want: "whsec_***"},
		{name: "go", got: fmt.Sprintf("%#v", k), want: "whsec_***"},
		{name: "json", got: mustJSON(t, struct{ K signer.Key }{k}), want: `{"K":"whsec_***"}`},
		{name: "json zero", got: mustJSON(t, struct{ K signer.Key }{}), want: `{"K":""}`},
		{name: "end", got: k.Until(end).String(), want: "until=2026-11-21T00:00:00Z;whsec_***"},
		{name: "raw", got: must(signer.RawSecret(vectorSecret)).String(), want: "raw:***"},
		{name: "public", got: must(signer.ParsePublicKey(vectorPublic)).String(), want: vectorPublic},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("got %s, want %s", tt.got, tt.want)
			}
		})
	}
}

func TestUnmarshalRefusesRedacted(t *testing.T) {
	k := must(signer.ParseSecret(vectorSecret)).Until(time.Now().Add(time.Hour))
	type endpoint struct{ Secrets []signer.Key }
	read := mustJSON(t, endpoint{Secrets: []signer.Key{k}})
	var back endpoint
	if err := json.Unmarshal([]byte(read), &back); !errors.Is(err, signer.ErrRedacted) {
		t.Errorf("Unmarshal(%s) error = %v, want ErrRedacted", read, err)
	}
	for _, in := range []string{`null`, `""`} {
		kept := k
		if err := json.Unmarshal([]byte(in), &kept); err != nil || !kept.IsZero() {
			t.Errorf("Unmarshal(%s) = %v, %v, want the zero Key", in, kept, err)
		}
	}
	if err := json.Unmarshal([]byte(`17`), &k); !errors.Is(err, signer.ErrInvalidKey) {
		t.Errorf("Unmarshal(17) error = %v, want ErrInvalidKey", err)
	}
}

func TestMask(t *testing.T) {
	secret := must(signer.ParseSecret(vectorSecret))
	raw := must(signer.RawSecret(canary))
	for _, tt := range []struct {
		name string
		in   string
		want string
	}{
		{name: "nothing", in: "hello whsec_ world", want: "hello whsec_ world"},
		{name: "whole text", in: "key=" + vectorSecret + "&", want: "key=***&"},
		{name: "without its prefix", in: "key=" + vectorSecret[6:] + "&", want: "key=***&"},
		{name: "hex", in: "0x31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0.", want: "0x***."},
		{name: "upper hex", in: "31F290F6BF06298AAB4F08D43C3F082CF648A362DA2DA4B0.", want: "***."},
		{name: "bytes", in: "\x31\xf2\x90\xf6\xbf\x06\x29\x8a\xab\x4f\x08\xd4\x3c\x3f\x08\x2c\xf6\x48\xa3\x62\xda\x2d\xa4\xb0!", want: "***!"},
		{name: "raw", in: "<" + canary + ">", want: "<***>"},
		{name: "cut at the end", in: "you sent " + vectorSecret[:20], want: "you sent ***"},
		{name: "JSON", in: `{"k":` + mustJSON(t, canary) + `}`, want: `{"k":"***"}`},
		{name: "JSON by PHP", in: `{"k":` + strings.ReplaceAll(mustJSON(t, canary), "/", `\/`) + `}`, want: `{"k":"***"}`},
		{name: "query", in: "k=cAnArY%21%3C%22%26%27%2F%C3%A9%25zq0123456789&x", want: "k=***&x"},
		{name: "JSON by JavaScript", in: `{"k":"` + strings.ReplaceAll(canary, `"`, `\"`) + `"}`, want: `{"k":"***"}`},
		{name: "HTML", in: "<p>cAnArY!&lt;&#34;&amp;&#39;/é%zq0123456789</p>", want: "<p>***</p>"},
		{name: "twice", in: canary + canary, want: "******"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := []byte(tt.in)
			if got := signer.Mask(in, []signer.Key{secret, raw}); string(got) != tt.want {
				t.Errorf("Mask(%q) = %q, want %q", tt.in, got, tt.want)
			}
			if string(in) != tt.in {
				t.Errorf("Mask changed its argument to %q", in)
			}
		})
	}
	for _, user := range []string{"a", "ab", "abc", "abcd"} {
		in := base64.StdEncoding.EncodeToString([]byte(user + ":" + canary))
		if got := signer.Mask([]byte(in), []signer.Key{raw}); !strings.Contains(string(got), "***") || len(got) > len(user)+9 {
			t.Errorf("Mask(Basic %s) = %s, want most of it masked", in, got)
		}
	}
}
