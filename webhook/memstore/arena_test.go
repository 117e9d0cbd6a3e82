package memstore_test

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// TestNumberIsUsedAgain cancels deliveries wherever they wait in their lane.
// They are forgotten at once, and their numbers become those of others, which
// the lane must neither hand out nor lose.
func TestNumberIsUsedAgain(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cancel []string
		want   []string
	}{
		{name: "front", cancel: []string{"1", "2"}, want: []string{"3", "4", "5"}},
		{name: "middle", cancel: []string{"3"}, want: []string{"1", "2", "4", "5"}},
		{name: "back", cancel: []string{"5", "4"}, want: []string{"1", "2", "3"}},
		{name: "all", cancel: []string{"2", "4", "1", "5", "3"}},
	} {
		for _, key := range []string{"", " key"} {
			t.Run(tt.name+key, func(t *testing.T) {
				s := memstore.New(memstore.Options{MaxHistory: -1})
				for i := range 5 {
					enqueue(t, s, fmt.Sprintf("%d a%s", i+1, key))
				}
				for _, id := range tt.cancel {
					if err := s.Cancel(t.Context(), id, ""); err != nil {
						t.Fatal(err)
					}
				}
				var others []string
				for i := range tt.cancel {
					others = append(others, fmt.Sprintf("other%d", i))
					enqueue(t, s, others[i]+" b")
				}
				enqueue(t, s, "last a"+key)
				if err := s.Check(); err != nil {
					t.Error(err)
				}
				next := webhook.Claim{Limit: 1, Skip: []string{"b"}}
				for _, want := range append(tt.want, "last") {
					end(t, s, wantClaim(t, s, next, want))
				}
				wantClaim(t, s, next)
				wantClaim(t, s, webhook.Claim{}, others...)
			})
		}
	}
}

// fillUp enqueues deliveries with the numbers from first to end, each with a
// message of its own.
func fillUp(t *testing.T, s *memstore.Store, first, end, size int) {
	t.Helper()
	for i := first; i < end; i++ {
		if _, err := s.Enqueue(t.Context(), fanOut(i, 0, 1, size, "event"+strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
}

// cancelBut cancels n deliveries but each that has a number divisible by keep.
func cancelBut(t *testing.T, s *memstore.Store, n, keep int) {
	t.Helper()
	for i := range n {
		if i%keep == 0 {
			continue
		}
		if err := s.Cancel(t.Context(), fanOut(i, 0, 1, 0, "").Deliveries[0].ID, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
}

// TestForgottenIsLetGo keeps one delivery in each slab, and looks whether the
// others still hold what is large about them.
func TestForgottenIsLetGo(t *testing.T) {
	const n, keep, size = 1000, 30, 50_000
	s := memstore.New(memstore.Options{MaxHistory: -1})
	before := heapInUse()
	fillUp(t, s, 0, n, size)
	cancelBut(t, s, n, keep)
	const kept = n/keep + 1
	if used := heapInUse() - before; used > kept*size+1<<20 {
		t.Errorf("%d deliveries of %d bytes, of %d, take %d bytes, want at most 1 MiB more than their bodies", kept, size, n, used)
	}
	runtime.KeepAlive(s)
}

// TestSlabsComeBack shows that those who stay hold a slab each at most.
func TestSlabsComeBack(t *testing.T) {
	const n, keep, slab = 50_000, 500, 3200
	s := memstore.New(memstore.Options{MaxHistory: -1})
	before := heapInUse()
	fillUp(t, s, 0, n, 0)
	cancelBut(t, s, n, keep)
	// Besides slabs there are their table, the rest of each delivery, and its
	// page of the book.
	if used, most := heapInUse()-before, n/keep*(slab+1000)+2*n; used > most {
		t.Errorf("%d deliveries of %d take %d bytes, want at most %d", n/keep, n, used, most)
	}
	runtime.KeepAlive(s)
}

// TestRoomIsUsedAgain shows that new deliveries go where others left.
func TestRoomIsUsedAgain(t *testing.T) {
	const n = 50_000
	s := memstore.New(memstore.Options{MaxHistory: -1})
	before := heapInUse()
	fillUp(t, s, 0, n, 0)
	full := heapInUse() - before
	cancelBut(t, s, n, 2)
	fillUp(t, s, n, n+n/2, 0)
	if used := heapInUse() - before; used > full+full/10 {
		t.Errorf("%d deliveries took %d bytes, and %d where others left between them, want at most a tenth more", n, full, used)
	}
	runtime.KeepAlive(s)
}
