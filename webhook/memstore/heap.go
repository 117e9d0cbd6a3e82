package memstore

// member is what a heap holds. Slot is where the member keeps its place in the
// heap, counted from one; zero means that it is in none.
type member[T any] interface {
	comparable
	before(other T) bool
	slot() *uint32
}

// heap is a binary heap whose members know their places, so that any of them
// can be moved or removed.
type heap[T member[T]] struct{ items []T }

func (h *heap[T]) len() int { return len(h.items) }

// top returns the first member; the heap is not empty.
func (h *heap[T]) top() T { return h.items[0] }

func (h *heap[T]) push(x T) {
	h.items = append(h.items, x)
	*x.slot() = uint32(len(h.items)) //nolint:gosec // Options bound what a store holds far below 2^32
	h.up(len(h.items) - 1)
}

// fix moves x to its place after its order changed.
func (h *heap[T]) fix(x T) {
	i := int(*x.slot()) - 1
	if !h.down(i) {
		h.up(i)
	}
}

func (h *heap[T]) remove(x T) {
	i, last := int(*x.slot())-1, len(h.items)-1
	*x.slot() = 0
	moved := h.items[last]
	var none T
	h.items[last] = none
	h.items = h.items[:last]
	if i != last {
		h.items[i] = moved
		*moved.slot() = uint32(i + 1) //nolint:gosec // an index of the slice
		h.fix(moved)
	}
	h.items = shrink(h.items)
}

func (h *heap[T]) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.items[i].before(h.items[parent]) {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h *heap[T]) down(i int) (moved bool) {
	for {
		child := 2*i + 1
		if child >= len(h.items) {
			return moved
		}
		if right := child + 1; right < len(h.items) && h.items[right].before(h.items[child]) {
			child = right
		}
		if !h.items[child].before(h.items[i]) {
			return moved
		}
		h.swap(i, child)
		i, moved = child, true
	}
}

func (h *heap[T]) swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	*h.items[i].slot() = uint32(i + 1) //nolint:gosec // an index of the slice
	*h.items[j].slot() = uint32(j + 1) //nolint:gosec // an index of the slice
}

// shrink gives back memory when most of a slice is empty.
func shrink[T any](s []T) []T {
	const least = 32
	if cap(s) <= least || len(s) > cap(s)/4 {
		return s
	}
	return append(make([]T, 0, cap(s)/2), s...)
}
