package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/outhook/outhook/signer"
)

// handSigner signs as Standard Webhooks says, the way somebody would write it
// for this alone: the state is keyed once, and what a request needs is
// allocated together. It is for one goroutine.
type handSigner struct {
	mac hash.Hash
	buf []byte
}

func newHandSigner(k signer.Key) (*handSigner, error) {
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(k.Reveal(), "whsec_"))
	if err != nil {
		return nil, fmt.Errorf("hand-written signer: %w", err)
	}
	return &handSigner{mac: hmac.New(sha256.New, secret)}, nil
}

// header is that of one request, with an id and a time of its own.
func (s *handSigner) header(body []byte) http.Header {
	id := "msg_" + rand.Text()
	at := strconv.FormatInt(time.Now().Unix(), 10)
	s.buf = append(append(append(append(s.buf[:0], id...), '.'), at...), '.')
	s.mac.Reset()
	s.mac.Write(s.buf)
	s.mac.Write(body)
	s.buf = s.mac.Sum(s.buf[:0])
	signature := base64.StdEncoding.AppendEncode([]byte("v1,"), s.buf)
	v := [...]string{"application/json", "outhook", id, at, string(signature)}
	return http.Header{
		"Content-Type": v[0:1:1], "User-Agent": v[1:2:2],
		"Webhook-Id": v[2:3:3], "Webhook-Timestamp": v[3:4:4], "Webhook-Signature": v[4:5:5],
	}
}
