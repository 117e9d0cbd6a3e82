package webhook

import "testing"

// A worker is woken for what a lane can run now, and for nothing else: what waits
// behind its own lane is found by the worker that is there.
func TestAddTellsWhetherAWorkerIsWanted(t *testing.T) {
	cfg := withDefaults(Config{})
	ls := newLanes(&cfg)
	to := func(endpoint string) *job { return &job{d: &Delivery{EndpointID: endpoint}} }
	add := func(j *job, want bool, why string) {
		t.Helper()
		if ready, refused := ls.add(j, 2, 10, 100); ready != want || refused != "" {
			t.Errorf("%s: add = %v, %q; want %v", why, ready, refused, want)
		}
	}
	add(to("a"), true, "the lane is empty")
	add(to("a"), true, "nothing runs yet")
	first := ls.take()
	if first == nil || ls.take() != nil {
		t.Fatal("an untried lane runs one at first")
	}
	add(to("a"), false, "one runs, which is all that may")
	add(to("b"), true, "another lane is empty")
	if j := ls.take(); j == nil || j.d.EndpointID != "b" {
		t.Fatalf("take = %v, want b's", j)
	}
	if !ls.done(first, unknownPace) {
		t.Error("done = false, and two wait in the lane")
	}
	add(to("a"), true, "two wait, and none runs")
	j := ls.take()
	ls.postpone(j)
	add(to("a"), false, "the rate limit has closed the lane")
	ls.close()
	if ready, refused := ls.add(to("c"), 2, 10, 100); ready || refused != reasonShutdown {
		t.Errorf("after close, add = %v, %q; want false, %q", ready, refused, reasonShutdown)
	}
}
