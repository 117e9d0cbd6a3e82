package main

import (
	"net/http"
	"net/netip"
	"time"
)

// ClickEvent is the event: somebody followed a link. It is sent as it stands
// here, nulls, empty lists and empty objects included. No address of a visitor
// is in it, and none can come in: an IP address in a type that does not allow
// it by a tag is refused when the dispatcher is made.
type ClickEvent struct {
	Event     string    `json:"event"`
	Timestamp time.Time `json:"timestamp" webhook:"required,layout=2006-01-02T15:04:05Z07:00"`
	Link      Link      `json:"link"`
	Click     Click     `json:"click"`
}

// EventType implements webhook.Event.
func (ClickEvent) EventType() string { return "click" }

// EventTime implements webhook.Timed.
func (e ClickEvent) EventTime() time.Time { return e.Timestamp }

// Link is a short link.
type Link struct {
	ID              int     `json:"id"`
	Name            string  `json:"name"`
	URL             string  `json:"url"`
	FullURL         string  `json:"full_url"`
	Domain          *string `json:"domain"`
	Slug            string  `json:"slug"`
	Destination     string  `json:"destination"`
	WorkspaceID     int     `json:"workspace_id"`
	Enabled         bool    `json:"enabled"`
	Cloaking        bool    `json:"cloaking"`
	ForwardParams   bool    `json:"forward_params"`
	BlockBots       bool    `json:"block_bots"`
	PublicAnalytics bool    `json:"public_analytics"`
	UTMSource       *string `json:"utm_source"`
	UTMMedium       *string `json:"utm_medium"`
	UTMCampaign     *string `json:"utm_campaign"`
	OGTitle         *string `json:"og_title"`
	OGDescription   *string `json:"og_description"`
	Rules           []Rule  `json:"rules"`
}

// Rule sends some visitors elsewhere.
type Rule struct {
	What    string `json:"what"`
	Matches string `json:"matches"`
	URL     string `json:"url"`
}

// Click is what is told of one click; null is what is not known.
type Click struct {
	Country     *string           `json:"country"`
	IsEUCountry bool              `json:"is_eu_country"`
	Platform    *string           `json:"platform"`
	BrowserName *string           `json:"browser_name"`
	Referer     *string           `json:"referer"`
	ISP         *string           `json:"isp"`
	BotName     *string           `json:"bot_name"` // null: a human
	Destination string            `json:"destination"`
	Params      map[string]string `json:"params"`
}

// Visitor is what the platform finds out about who follows a link. It knows
// the address, to exclude visitors by; what is sent does not.
type Visitor struct {
	At                                   time.Time
	IP                                   netip.Addr
	Country, Platform, Browser, ISP, Bot string // empty: not known
	InEU                                 bool
}

// newClick returns the event of a click. The query of r is the stranger's.
func newClick(link *Link, v *Visitor, r *http.Request) ClickEvent {
	params := make(map[string]string)
	for name, values := range r.URL.Query() {
		params[name] = values[0]
	}
	return ClickEvent{
		Event:     "click",
		Timestamp: v.At,
		Link:      *link,
		Click: Click{
			Country: known(v.Country), IsEUCountry: v.InEU, Platform: known(v.Platform), BrowserName: known(v.Browser),
			Referer: known(r.Referer()), ISP: known(v.ISP), BotName: known(v.Bot), Destination: link.Destination, Params: params,
		},
	}
}

// known returns nil for what is not known.
func known(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
