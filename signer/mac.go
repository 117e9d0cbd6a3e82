package signer

import (
	"crypto/hmac"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
)

// ErrFIPS means that the FIPS 140-3 mode of the Go runtime forbids the hash or
// the key.
var ErrFIPS = errors.New("not allowed in FIPS 140 mode")

// mac is the keyed state of an HMAC with its scratch space. The arrays live in
// it because they would escape to the heap through hash.Hash.
type mac struct {
	hash.Hash
	buf []byte
	out [sha512.Size]byte
}

// macSlots is how many states a key keeps for each algorithm: as many as sign
// with one key at the same moment, as a rule. A sync.Pool for each key would
// cost a cold key more than it saves, and more with every processor.
const macSlots = 4

// mac takes a keyed state out of the key; putMAC gives it back.
func (m *material) mac(a Algorithm) (*mac, error) {
	for i := range m.macs[a-1] {
		if s := m.macs[a-1][i].Swap(nil); s != nil {
			return s, nil
		}
	}
	inner, err := newHMAC(a, m.raw)
	if err != nil {
		return nil, err
	}
	return &mac{Hash: inner, buf: make([]byte, 0, 128)}, nil
}

func (m *material) putMAC(a Algorithm, s *mac) {
	s.Reset()
	s.buf = s.buf[:0]
	for i := range m.macs[a-1] {
		if m.macs[a-1][i].CompareAndSwap(nil, s) {
			return
		}
	}
}

// newHMAC turns the panics of crypto/hmac in FIPS 140-only mode (SHA-1, short
// keys) into an error.
func newHMAC(a Algorithm, key []byte) (inner hash.Hash, err error) {
	defer func() {
		if recover() != nil {
			inner, err = nil, fmt.Errorf("%w: %s with a key of %d bytes", ErrFIPS, a, len(key))
		}
	}()
	return hmac.New(a.newHash(), key), nil
}
