// Package simtest tries the dispatcher in simulated worlds: real dispatchers
// over one store that fails, receivers that err, hang and lose their answers,
// processes that die and are started again, endpoints that are edited, all in
// virtual time. What goes wrong where is decided by hashes of a seed, so that
// a world that shows a fault can be made again.
//
// An oracle watches the border between dispatchers and store and the
// receivers, and knows what neither may do. Planted faults show that it sees.
//
// OUTHOOK_SEED=n makes world n again and tells its story, OUTHOOK_FULL=1 tries
// 1,000 worlds instead of 50. The package has tests alone.
package simtest
