package payload_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/outhook/outhook/payload"
)

func TestDiff(t *testing.T) {
	type was struct {
		A string `json:"a"`
		B int    `json:"b"`
		C *int   `json:"c"`
		D []rule `json:"d"`
		E struct {
			F bool `json:"f"`
		} `json:"e"`
		G map[string]time.Time `json:"g"`
	}
	type is struct {
		A string `json:"a,omitempty"`
		B string `json:"b"`
		C int    `json:"c"`
		D []struct {
			What string `json:"what"`
		} `json:"d"`
		E struct {
			F bool `json:"f"`
			N int  `json:"n"`
		} `json:"e"`
		G map[string]time.Time `json:"g"`
	}
	before, after := payload.NewCatalog(), payload.NewCatalog()
	for _, err := range []error{
		payload.Describe(before, "same", "", plainExample()),
		payload.Describe(before, "thing", "", was{}),
		payload.Describe(before, "gone", "", rule{}),
		payload.Describe(after, "same", "", plainExample()),
		payload.Describe(after, "new", "", category{Name: "x"}),
		payload.Describe(after, "thing", "", is{}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var read payload.Snapshot
	old, err1 := before.Snapshot(nil)
	stored, err2 := json.Marshal(old)
	now, err3 := after.Snapshot(payload.JSON(payload.JSONOptions{}))
	if err := errors.Join(err1, err2, err3, json.Unmarshal(stored, &read)); err != nil {
		t.Fatal(err)
	}
	var got []string
	breaking := 0
	for _, c := range payload.Diff(read, now) {
		got = append(got, c.String())
		if c.Breaking() {
			breaking++
		}
	}
	want := []string{
		`thing "a": became optional`, `thing "b": type changed from integer to string`, `thing "c": became required`,
		`thing "d.[].matches": field removed`, `thing "d.[].url": field removed`, `thing "e.n": field added`,
		`gone: event removed`, `new: event added`,
	}
	if !slices.Equal(got, want) || breaking != 5 {
		t.Errorf("Diff = %d breaking, %q\nwant 5, %q", breaking, got, want)
	}
	if got := payload.Diff(now, now); len(got) != 0 {
		t.Errorf("Diff of equal snapshots = %v, want none", got)
	}
	if _, err := before.Snapshot(payload.Form(payload.FormOptions{})); !errors.Is(err, payload.ErrUnsupported) {
		t.Errorf("Snapshot of a list of objects in a form = %v, want %v", err, payload.ErrUnsupported)
	}
}
