package main

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/outhook/outhook/webhook/manage"
)

// apiKey is the key of the demo's workspace.
const apiKey = "demo-key"

// The demo's visitors, by their user agents.
const (
	human   = "Mozilla/5.0"
	crawler = "Googlebot/2.1" // recorded, with its name
	ignored = "AhrefsBot/7.0" // not recorded
	office  = "Office/1.0"    // comes from an excluded address
)

// addDemo adds the link of the platform's documentation, and its workspace.
func (p *platform) addDemo() {
	link := exampleClick().Link
	p.links[link.ID] = &link
	p.workspaces[1] = &workspace{
		excluded: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
		ignored:  []string{"AhrefsBot"},
	}
	p.addKey(apiKey, 1, manage.View|manage.Manage)
	p.look = demoVisitor
}

// demoVisitor knows the demo's visitors. A real platform asks its databases of
// addresses and user agents.
func demoVisitor(r *http.Request) Visitor {
	v := Visitor{At: time.Date(2025, 1, 15, 10, 30, 0, 0, time.UTC), IP: netip.MustParseAddr("203.0.113.9")}
	switch r.UserAgent() {
	case crawler:
		v.Bot = "Googlebot"
	case ignored:
		v.Bot = "AhrefsBot"
	case office:
		v.IP = netip.MustParseAddr("198.51.100.7")
	default:
		v.Country, v.Platform, v.Browser, v.ISP = "US", "desktop", "Chrome", "Comcast"
	}
	return v
}

// exampleClick returns the click of the platform's documentation.
func exampleClick() ClickEvent {
	const landing = "https://example.com/landing-page"
	return ClickEvent{
		Event:     "click",
		Timestamp: time.Date(2025, 1, 15, 10, 30, 0, 0, time.UTC),
		Link: Link{
			ID: 12345, Name: "My Campaign Link", URL: landing, FullURL: "https://yourdomain.com/abc123",
			Domain: known("yourdomain.com"), Slug: "/abc123", Destination: landing, WorkspaceID: 1, Enabled: true,
			ForwardParams: true, BlockBots: true,
			UTMSource: known("newsletter"), UTMMedium: known("email"), UTMCampaign: known("spring-sale"),
			OGTitle: known("Special Offer"), OGDescription: known("Check out our spring sale!"),
			Rules: []Rule{{What: "country", Matches: "US", URL: "https://example.com/us-landing"}},
		},
		Click: Click{
			Country: known("US"), Platform: known("desktop"), BrowserName: known("Chrome"),
			Referer: known("https://twitter.com/"), ISP: known("Comcast"), Destination: landing,
			Params: map[string]string{"utm_source": "twitter"},
		},
	}
}
