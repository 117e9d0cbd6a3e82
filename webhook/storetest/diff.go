package storetest

import (
	"fmt"
	"reflect"
	"time"

	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
)

// diff says where got is not want: the path of the first field that differs,
// or "". A nil slice or map equals an empty one, times and keys are compared
// as such. Times may be cut to microseconds, which is what databases keep.
func diff(want, got any) string {
	return diffValue(reflect.ValueOf(want), reflect.ValueOf(got), "")
}

func diffValue(want, got reflect.Value, path string) string {
	if known, text := diffKnown(want, got, path); known {
		return text
	}
	switch want.Kind() {
	case reflect.Pointer:
		return diffPointer(want, got, path)
	case reflect.Struct:
		return diffStruct(want, got, path)
	case reflect.Slice:
		return diffSlice(want, got, path)
	case reflect.Map:
		if want.Len() == 0 && got.Len() == 0 || reflect.DeepEqual(want.Interface(), got.Interface()) {
			return ""
		}
		return fmt.Sprintf("%s = %v, want %v", path, got, want)
	default:
		return diffPlain(want, got, path)
	}
}

// diffKnown compares the types that have a meaning of their own.
func diffKnown(want, got reflect.Value, path string) (bool, string) {
	if w, ok := reflect.TypeAssert[time.Time](want); ok {
		g, _ := reflect.TypeAssert[time.Time](got)
		if off := g.Sub(w); off < -time.Microsecond || off > time.Microsecond {
			return true, fmt.Sprintf("%s = %v, want %v", path, g, w)
		}
		return true, ""
	}
	if w, ok := reflect.TypeAssert[signer.Key](want); ok {
		g, _ := reflect.TypeAssert[signer.Key](got)
		if !w.Equal(g) {
			return true, fmt.Sprintf("%s is another key: %v, want %v", path, g, w)
		}
		return true, ""
	}
	return false, ""
}

func diffStruct(want, got reflect.Value, path string) string {
	for i := range want.NumField() {
		if text := diffValue(want.Field(i), got.Field(i), path+"."+want.Type().Field(i).Name); text != "" {
			return text
		}
	}
	return ""
}

func diffPlain(want, got reflect.Value, path string) string {
	switch {
	case want.Equal(got):
		return ""
	case want.Kind() == reflect.String:
		return fmt.Sprintf("%s = %q, want %q", path, got, want)
	}
	return fmt.Sprintf("%s = %v, want %v", path, got, want)
}

func diffPointer(want, got reflect.Value, path string) string {
	if want.IsNil() || got.IsNil() {
		if want.IsNil() != got.IsNil() {
			return fmt.Sprintf("%s: nil is %v, want %v", path, got.IsNil(), want.IsNil())
		}
		return ""
	}
	return diffValue(want.Elem(), got.Elem(), path)
}

func diffSlice(want, got reflect.Value, path string) string {
	if want.Len() != got.Len() {
		return fmt.Sprintf("%s has %d elements, want %d", path, got.Len(), want.Len())
	}
	for i := range want.Len() {
		if text := diffValue(want.Index(i), got.Index(i), fmt.Sprintf("%s[%d]", path, i)); text != "" {
			return text
		}
	}
	return ""
}

// sameMessage reports a message that did not come back as it was enqueued.
func (e *env) sameMessage(want, got *webhook.Message) {
	if text := diff(want, got); text != "" {
		e.errorf("the message came back changed: Message%s", text)
	}
}

// sameDelivery compares what the caller said of a delivery; what the store
// adds, and the state, are looked at elsewhere.
func (e *env) sameDelivery(want, got webhook.Delivery) {
	for _, d := range []*webhook.Delivery{&want, &got} {
		d.State, d.Attempts = webhook.Pending, 0
		d.Created, d.Due, d.Ended = time.Time{}, time.Time{}, time.Time{}
	}
	if text := diff(want, got); text != "" {
		e.errorf("the delivery came back changed: Delivery%s", text)
	}
}

// sameEndpoint compares all of an endpoint but its status, where zero is
// Active.
func (e *env) sameEndpoint(want, got *webhook.Endpoint) {
	if want == nil || got == nil {
		e.errorf("endpoint = %v, want %v", got, want)
		return
	}
	w, g := *want, *got
	for _, p := range []*webhook.Endpoint{&w, &g} {
		if p.Status == 0 {
			p.Status = webhook.Active
		}
	}
	if text := diff(&w, &g); text != "" {
		e.errorf("the endpoint came back changed: Endpoint%s", text)
	}
}
