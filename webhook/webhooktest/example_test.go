package webhooktest_test

import (
	"fmt"
	"strings"

	"github.com/outhook/outhook/webhook/webhooktest"
)

// In a test each of them goes to NewHostile, or without TLS to
// Network.Hostile, and the URL of what that returns into an endpoint.
func ExampleHazards() {
	for _, h := range webhooktest.Hazards() {
		if strings.Contains(h.Name, "goaway") {
			fmt.Println(h.Name, "over TLS:", h.TLS, "hangs:", h.Hangs)
		}
	}
	// Output:
	// http2-goaway-loop over TLS: true hangs: false
	// http2-goaway-after-request over TLS: true hangs: false
}
