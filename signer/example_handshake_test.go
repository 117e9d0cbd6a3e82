package signer_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/outhook/outhook/signer"
)

func ExampleHandshake() {
	var h signer.Handshake = signer.OriginHandshake{Origin: "sender.example"}
	q, err := h.Ask(signer.Subject{URL: "https://example.com/hook", Time: time.Unix(1614265330, 0)})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(q.Method, q.URL, q.Header)

	_, err = h.Judge(q, signer.Answer{Status: http.StatusOK, Header: http.Header{"Webhook-Allowed-Origin": {"sender.example"}}})
	fmt.Println(err)
	_, err = h.Judge(q, signer.Answer{Status: http.StatusOK})
	fmt.Println(err)
	// Output:
	// OPTIONS https://example.com/hook map[Webhook-Request-Origin:[sender.example]]
	// <nil>
	// endpoint not verified: WebHook-Allowed-Origin must be sender.example or *
}
