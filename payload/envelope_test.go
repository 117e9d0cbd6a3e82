package payload_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/outhook/outhook/payload"
)

func TestEnvelopes(t *testing.T) {
	ev := payload.Event{
		ID: "msg_1", Type: "link.clicked", Source: "api",
		Time: time.Date(2025, 1, 15, 11, 30, 0, 5000, time.FixedZone("", 3600)), Data: rule{What: "w"},
	}
	data := `{"what":"w","matches":"","url":""}`
	params := []payload.Param{{Name: "token", Value: "s"}}
	for _, tt := range []struct {
		name    string
		e       payload.Encoder
		content string
		want    string
		spliced string
		header  []payload.Header
	}{
		{name: "bare", e: payload.JSON(payload.JSONOptions{Envelope: payload.Bare()}), content: "application/json", want: data, spliced: `{"what":"w","matches":"","url":"","token":"s"}`},
		{
			name: "standard", e: payload.JSON(payload.JSONOptions{Envelope: payload.Standard()}), content: "application/json",
			want:    `{"type":"link.clicked","timestamp":"2025-01-15T10:30:00.000005Z","data":` + data + `}`,
			spliced: `{"type":"link.clicked","timestamp":"2025-01-15T10:30:00.000005Z","data":{"what":"w","matches":"","url":"","token":"s"}}`,
		},
		{
			name: "binary", e: payload.JSON(payload.JSONOptions{Envelope: payload.CloudEventsBinary("/a b")}), content: "application/json",
			want: data, spliced: `{"what":"w","matches":"","url":"","token":"s"}`,
			header: []payload.Header{
				{Name: "ce-specversion", Value: "1.0"},
				{Name: "ce-id", Value: "msg_1"},
				{Name: "ce-source", Value: "/a%20b"},
				{Name: "ce-type", Value: "link.clicked"},
				{Name: "ce-time", Value: "2025-01-15T10:30:00.000005Z"},
			},
		},
		{
			name: "structured", e: payload.JSON(payload.JSONOptions{Envelope: payload.CloudEventsStructured("/a b")}), content: "application/cloudevents+json; charset=UTF-8",
			want:    `{"specversion":"1.0","id":"msg_1","source":"/a b","type":"link.clicked","time":"2025-01-15T10:30:00.000005Z","datacontenttype":"application/json","data":` + data + `}`,
			spliced: `{"specversion":"1.0","id":"msg_1","source":"/a b","type":"link.clicked","time":"2025-01-15T10:30:00.000005Z","datacontenttype":"application/json","data":{"what":"w","matches":"","url":"","token":"s"}}`,
		},
		{
			name: "thin", e: payload.JSON(payload.JSONOptions{Envelope: payload.Thin(func(ev *payload.Event) payload.Ref {
				return payload.Ref{ID: "7", Type: "link", URL: "/links/7?e=" + ev.ID}
			})}), content: "application/json",
			want:    `{"id":"msg_1","type":"link.clicked","timestamp":"2025-01-15T10:30:00.000005Z","related_object":{"id":"7","type":"link","url":"/links/7?e=msg_1"}}`,
			spliced: `{"id":"msg_1","type":"link.clicked","timestamp":"2025-01-15T10:30:00.000005Z","related_object":{"id":"7","type":"link","url":"/links/7?e=msg_1"},"token":"s"}`,
		},
		{
			name: "form field", e: payload.JSONInForm("", payload.JSONOptions{Envelope: payload.Standard()}), content: "application/x-www-form-urlencoded",
			want:    `payload=%7B%22type%22%3A%22link.clicked%22%2C%22timestamp%22%3A%222025-01-15T10%3A30%3A00.000005Z%22%2C%22data%22%3A%7B%22what%22%3A%22w%22%2C%22matches%22%3A%22%22%2C%22url%22%3A%22%22%7D%7D`,
			spliced: `payload=%7B%22type%22%3A%22link.clicked%22%2C%22timestamp%22%3A%222025-01-15T10%3A30%3A00.000005Z%22%2C%22data%22%3A%7B%22what%22%3A%22w%22%2C%22matches%22%3A%22%22%2C%22url%22%3A%22%22%7D%7D&token=s`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body, err := tt.e.Encode(nil, &ev)
			if err != nil || string(body.Data) != tt.want || body.ContentType != tt.content {
				t.Fatalf("Encode = %s %s, %v\nwant %s", body.ContentType, body.Data, err, tt.want)
			}
			if err := tt.e.CheckParams(reflect.TypeFor[rule](), params); err != nil {
				t.Errorf("CheckParams = %v, want nil", err)
			}
			got, err := payload.Splice(nil, &body, params)
			if err != nil || string(got) != tt.spliced {
				t.Errorf("Splice = %s, %v\nwant %s", got, err, tt.spliced)
			}
			if !slices.Equal(body.Header, tt.header) {
				t.Errorf("Header = %v, want %v", body.Header, tt.header)
			}
			_, err = tt.e.Encode(nil, &payload.Event{Data: rule{}})
			if bare := tt.name == "bare"; errors.Is(err, payload.ErrInvalid) == bare {
				t.Errorf("Encode without id, type and time = %v, want %v unless bare", err, payload.ErrInvalid)
			}
		})
	}
	list := payload.JSON(payload.JSONOptions{Envelope: payload.Standard()})
	body, err := list.Encode(nil, &payload.Event{Type: "t", Time: ev.Time, Data: []int{}})
	if err != nil || body.Tail != -1 {
		t.Errorf("Encode([]) has Tail %d, %v, want -1", body.Tail, err)
	}
}
