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

// appendID appends an id to dst.
func appendID(dst []byte, prefix string, now time.Time) []byte {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:], uint64(now.UnixMilli())<<16)
	rand.Read(raw[6:])
	dst = append(dst, prefix...)
	// 128 bits in 26 digits of 5: the first digit has 3.
	hi, lo := binary.BigEndian.Uint64(raw[:8]), binary.BigEndian.Uint64(raw[8:])
	for shift := 125; shift >= 0; shift -= 5 {
		var v uint64
		switch {
		case shift >= 64:
			v = hi >> (shift - 64)
		case shift > 59:
			v = hi<<(64-shift) | lo>>shift
		default:
			v = lo >> shift
		}
		dst = append(dst, crockford[v&31])
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
	buf = appendID(buf, "msg_", now)
	for range deliveries {
		buf = appendID(buf, "dlv_", now)
	}
	return ids(buf)
}

func (s ids) message() string { return string(s[:idLen]) }

func (s ids) delivery(i int) string { return string(s[idLen*(i+1) : idLen*(i+2)]) }
