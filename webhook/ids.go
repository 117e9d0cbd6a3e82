package webhook

import (
	"crypto/rand"
	"encoding/binary"
	"time"
)

// idLen is the length of an id: a prefix of 4 and 26 characters of base 32,
// 48 bits of time before 80 random ones, so that ids are near each other in an
// index when they are near in time, and cannot be guessed.
const idLen = 30

const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// A digit is 5 bits, so that the time and the random part fill digits of their
// own: 50 bits, the first two of them zero, before 80.
const (
	timeDigits  = 10
	randomBytes = 10
	idsAtOnce   = 32 // that one read of random bytes is for
)

// appendDigits appends the low 5*n bits of v.
func appendDigits(dst []byte, v uint64, n int) []byte {
	for shift := 5 * (n - 1); shift >= 0; shift -= 5 {
		dst = append(dst, crockford[v>>shift&31])
	}
	return dst
}

// appendIDs appends n ids of one moment to dst.
func appendIDs(dst []byte, prefix string, now time.Time, n int) []byte {
	var digits [len("msg_") + timeDigits]byte
	head := append(digits[:0], prefix...)
	head = appendDigits(head, uint64(now.UnixMilli()), timeDigits)
	var random [idsAtOnce * randomBytes]byte
	for n > 0 {
		k := min(n, idsAtOnce)
		n -= k
		rand.Read(random[:k*randomBytes])
		for raw := random[:k*randomBytes]; len(raw) > 0; raw = raw[5:] {
			if len(raw)%randomBytes == 0 {
				dst = append(dst, head...)
			}
			v := uint64(raw[0])<<32 | uint64(binary.BigEndian.Uint32(raw[1:]))
			dst = appendDigits(dst, v, 8)
		}
	}
	return dst
}

// ids is the id of a message, and those of its deliveries, in one string.
type ids string

func newIDs(now time.Time, deliveries int) ids {
	var one [2 * idLen]byte
	buf := one[:0]
	if deliveries > 1 {
		buf = make([]byte, 0, idLen*(deliveries+1))
	}
	buf = appendIDs(buf, "msg_", now, 1)
	return ids(appendIDs(buf, "dlv_", now, deliveries))
}

func (s ids) message() string { return string(s[:idLen]) }

func (s ids) delivery(i int) string { return string(s[idLen*(i+1) : idLen*(i+2)]) }
