package webhook

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
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
	prefixLen   = 4
	timeEnd     = prefixLen + 10
	randomBytes = 10
	idsAtOnce   = 32 // that one read of random bytes is for
)

// putDigits fills dst with the low bits of v.
func putDigits(dst []byte, v uint64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = crockford[v&31]
		v >>= 5
	}
}

// ids is the id of a message, and those of its deliveries, in one string.
type ids string

func newIDs(now time.Time, deliveries int) ids {
	var (
		all    strings.Builder
		id     = [idLen]byte{'m', 's', 'g', '_'}
		random [idsAtOnce * randomBytes]byte
	)
	all.Grow(idLen * (deliveries + 1))
	putDigits(id[prefixLen:timeEnd], uint64(now.UnixMilli()))
	for left := deliveries + 1; left > 0; left -= idsAtOnce {
		raw := random[:min(left, idsAtOnce)*randomBytes]
		rand.Read(raw)
		for ; len(raw) > 0; raw = raw[randomBytes:] {
			putDigits(id[timeEnd:timeEnd+8], binary.BigEndian.Uint64(raw)>>24)
			putDigits(id[timeEnd+8:], binary.BigEndian.Uint64(raw[2:])&(1<<40-1))
			all.Write(id[:])
			copy(id[:], "dlv_")
		}
	}
	return ids(all.String())
}

func (s ids) message() string { return string(s[:idLen]) }

func (s ids) delivery(i int) string { return string(s[idLen*(i+1) : idLen*(i+2)]) }
