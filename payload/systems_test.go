package payload_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/payload"
)

// The types of the five systems, as a host would declare them.

type lead struct {
	AdID       string `form:"ad_id" webhook:"required"`
	Email      string `form:"email" webhook:"required"`
	CouponCode string `form:"coupon_code,omitempty"`
	FirstName  string `form:"first_name,omitempty"`
	LastName   string `form:"last_name,omitempty"`
	Gender     gender `form:"gender,omitempty"`
	Phone      string `form:"phone,omitempty"`
	BirthYear  int    `form:"birth_year,omitempty"`
	ZipCode    string `form:"zip_code,omitempty"`
}

type gender string

func (g gender) Validate() error {
	if g == "" || g == "M" || g == "F" {
		return nil
	}
	return errGender
}

type genderError struct{}

func (genderError) Error() string { return "gender is neither M nor F" }

var errGender error = genderError{}

type qrStandard struct {
	Event     string    `form:"event"`
	Timestamp time.Time `form:"timestamp" webhook:"layout=2006-01-02T15:04:05Z07:00"`
	User      string    `form:"user"`
	Code      string    `form:"code"`
}

type qrScanned struct {
	qrStandard
	Accuracy     int        `form:"accuracy,omitempty"`
	AnonymizedIP netip.Addr `form:"anonymizedip" webhook:"ip=anonymized"`
	Country      string     `form:"country"`
	Device       string     `form:"device"`
	Email        string     `form:"email"`
	Lng          *float64   `form:"lng"`
	Lat          *float64   `form:"lat"`
	Mobile       bool       `form:"mobile"`
	OS           string     `form:"os"`
	QueryString  string     `form:"querystring"`
	Redirects    int        `form:"redirects"`
	Type         string     `form:"type"`
	UniqueID     string     `form:"uniqueid"`
	Visitors     int        `form:"visitors"`
}

type qrC2A struct {
	qrStandard
	C2A string `form:"c2a"`
}

type qrRedeemed struct {
	qrStandard
	Status   string `form:"status"`
	Type     string `form:"type"`
	EANCode  string `form:"eancode,omitempty"`
	UniqueID string `form:"uniqueid,omitempty"`
}

type crmContact struct {
	ID        int            `form:"id"`
	Email     string         `form:"email" webhook:"required"`
	FirstName string         `form:"first_name"`
	LastName  string         `form:"last_name"`
	Phone     string         `form:"phone"`
	Tags      string         `form:"tags"`
	Fields    payload.Fields `form:"fields"`
	AcctName  string         `form:"customer_acct_name"`
	OrgName   string         `form:"orgname"`
}

type crmHead struct {
	Type          string    `form:"type"`
	DateTime      time.Time `form:"date_time" webhook:"layout=2006-01-02T15:04:05-07:00"`
	InitiatedFrom string    `form:"initiated_from"`
	InitiatedBy   string    `form:"initiated_by"`
	List          int       `form:"list"`
}

type crmUpdate struct {
	crmHead
	Contact  crmContact `form:"contact"`
	AcctName string     `form:"customer_acct_name"`
	AcctID   string     `form:"customer_acct_id"`
	OrgName  string     `form:"orgname"`
}

type crmClick struct {
	crmHead
	Contact  crmContact `form:"contact"`
	Campaign struct {
		ID   int    `form:"id"`
		Name string `form:"name"`
	} `form:"campaign"`
	Link struct {
		ID  int    `form:"id"`
		URL string `form:"url"`
	} `form:"link"`
}

type crmDeal struct {
	crmHead
	Deal struct {
		ID            int    `form:"id"`
		Title         string `form:"title"`
		Value         string `form:"value"`
		ValueRaw      int    `form:"value_raw"`
		Currency      string `form:"currency"`
		CreateDate    string `form:"create_date"`
		CreateDateISO string `form:"create_date_iso"`
	} `form:"deal"`
	UpdatedFields []string `form:"updated_fields"`
}

type task struct {
	FullName    string         `json:"full_name" webhook:"required"`
	Phone       string         `json:"phone" webhook:"required"`
	Email       string         `json:"email" webhook:"required"`
	ExtraFields payload.Fields `json:"extra_fields,omitempty"`
}

type clickEvent struct {
	Event     string    `json:"event"`
	Timestamp time.Time `json:"timestamp" webhook:"layout=2006-01-02T15:04:05Z07:00"`
	Link      link      `json:"link"`
	Click     click     `json:"click"`
}

type link struct {
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
	Rules           []rule  `json:"rules"`
}

type rule struct {
	What    string `json:"what"`
	Matches string `json:"matches"`
	URL     string `json:"url"`
}

type click struct {
	Country     *string           `json:"country"`
	IsEUCountry bool              `json:"is_eu_country"`
	Platform    *string           `json:"platform"`
	BrowserName *string           `json:"browser_name"`
	Referer     *string           `json:"referer"`
	ISP         *string           `json:"isp"`
	BotName     *string           `json:"bot_name"`
	Destination string            `json:"destination"`
	Params      map[string]string `json:"params"`
}

func ptr[T any](v T) *T { return &v }

func clickExample() clickEvent {
	return clickEvent{
		Event:     "click",
		Timestamp: time.Date(2025, 1, 15, 10, 30, 0, 123456789, time.UTC),
		Link: link{
			ID: 12345, Name: "My Campaign Link", URL: "https://example.com/landing-page",
			FullURL: "https://yourdomain.com/abc123", Domain: ptr("yourdomain.com"), Slug: "/abc123",
			Destination: "https://example.com/landing-page", WorkspaceID: 1, Enabled: true,
			ForwardParams: true, BlockBots: true, UTMSource: ptr("newsletter"), UTMMedium: ptr("email"),
			UTMCampaign: ptr("spring-sale"), OGTitle: ptr("Special Offer"),
			OGDescription: ptr("Check out our spring sale!"),
			Rules:         []rule{{What: "country", Matches: "US", URL: "https://example.com/us-landing"}},
		},
		Click: click{
			Country: ptr("US"), Platform: ptr("desktop"), BrowserName: ptr("Chrome"),
			Referer: ptr("https://twitter.com/"), ISP: ptr("Comcast"),
			Destination: "https://example.com/landing-page", Params: map[string]string{"utm_source": "twitter"},
		},
	}
}

func clickBot() clickEvent {
	ev := clickExample()
	ev.Link.Domain, ev.Link.Rules, ev.Link.URL = nil, nil, "https://example.com/?a=1&b=<2>"
	ev.Click = click{BotName: ptr("Googlebot"), Destination: ev.Link.URL}
	return ev
}

func leadExample() lead {
	return lead{AdID: "72", Email: "test@transactionale.com", CouponCode: "TRCOUPON", FirstName: "Marianna", ZipCode: "12345"}
}

func taskExample() task {
	return task{
		FullName: "Giulia Bianchi", Phone: "+39344999888", Email: "giulia@example.com",
		ExtraFields: payload.Fields{{Name: "eta", Value: 29}, {Name: "citta", Value: "Milano"}, {Name: "interesse", Value: "Corso di Marketing"}},
	}
}

var qrTime = time.Date(2025, 3, 4, 12, 5, 6, 0, time.FixedZone("CET", 3600))

func qrHead(event string) qrStandard {
	return qrStandard{Event: event, Timestamp: qrTime, User: "mario", Code: "https://qr.example/AbC1"}
}

func scanExample() qrScanned {
	return qrScanned{
		qrStandard: qrHead("QR_CODE_SCANNED"), Accuracy: 25, AnonymizedIP: netip.MustParseAddr("203.0.113.77"),
		Country: "IT", Device: "Pixel 8", Email: "mario@example.com", Lng: ptr(9.19), Lat: ptr(45.4642),
		Mobile: true, OS: "Android", QueryString: "utm_source=a&x[]=1", Redirects: 12, Type: "URL",
		UniqueID: "u-77", Visitors: 9,
	}
}

func crmContactExample() crmContact {
	return crmContact{
		ID: 17, Email: "anna@example.com", FirstName: "Anna", LastName: "D'Amico", Phone: "+39 02 123",
		Tags: "vip, news", Fields: payload.Fields{{Name: "utm_source", Value: "ads"}, {Name: "plan", Value: "più"}},
	}
}

func crmHeadExample(typ string) crmHead {
	return crmHead{
		Type: typ, DateTime: time.Date(2017, 11, 24, 16, 6, 22, 0, time.UTC),
		InitiatedFrom: "admin", InitiatedBy: "admin",
	}
}

func clickCampaignExample() crmClick {
	ev := crmClick{crmHead: crmHeadExample("click"), Contact: crmContactExample()}
	ev.Campaign.ID, ev.Campaign.Name = 3, "Spring & Summer"
	ev.Link.ID, ev.Link.URL = 8, "https://example.com/?a=1&b=2"
	return ev
}

func dealExample() crmDeal {
	ev := crmDeal{crmHead: crmHeadExample("deal_add"), UpdatedFields: []string{"title", "value"}}
	ev.Deal.ID, ev.Deal.Title, ev.Deal.Value, ev.Deal.ValueRaw, ev.Deal.Currency = 5, "Big one", "100.00", 100, "eur"
	ev.Deal.CreateDate, ev.Deal.CreateDateISO = "2017-11-24 10:06:22", "2017-11-24T10:06:22-06:00"
	return ev
}

// TestSystems holds every case that the reference names for the five systems.
func TestSystems(t *testing.T) {
	plain := payload.Form(payload.FormOptions{})
	numeric := payload.Form(payload.FormOptions{AllowNumericKeys: true, Lists: payload.ListIndex})
	js := payload.JSON(payload.JSONOptions{})
	secret := []payload.Param{{Name: "secrettoken", Value: "s3cr+t", Secret: true}}
	numericIDs := crmUpdate{crmHead: crmHeadExample("update"), Contact: crmContactExample()}
	numericIDs.Contact.Fields = payload.Fields{{Name: "1", Value: "field1"}, {Name: "7", Value: "field7"}}
	for _, tt := range []struct {
		name    string
		encoder payload.Encoder
		data    any
		params  []payload.Param
	}{
		{name: "0-lead-example", encoder: plain, data: leadExample()},
		{name: "0-lead-full", encoder: plain, data: lead{
			AdID: "72", Email: "anna.d'amico@example.com", CouponCode: "A B&C", FirstName: "Anna Lucia",
			LastName: "D'Amico", Gender: "F", Phone: "+393331112223", BirthYear: 1980, ZipCode: "00184",
		}},
		{name: "0-lead-minimal", encoder: plain, data: lead{AdID: "72", Email: "a@example.com"}},
		{name: "1-qr-scanned", encoder: plain, data: scanExample(), params: secret},
		{name: "1-qr-c2a", encoder: plain, data: qrC2A{qrStandard: qrHead("CALL_2_ACTION_BUTTON_CLICKED"), C2A: "https://example.com/?a=b"}, params: secret},
		{name: "1-qr-voucher-redeemed", encoder: plain, data: qrRedeemed{
			qrStandard: qrHead("VOUCHER_REDEEMED"), Status: "SUCCESS", Type: "UNIQUEID", EANCode: "4006381333931", UniqueID: "v-1",
		}, params: secret},
		{name: "2-contact-update", encoder: plain, data: crmUpdate{crmHead: crmHeadExample("update"), Contact: crmContactExample()}},
		{name: "2-campaign-click", encoder: plain, data: clickCampaignExample()},
		{name: "2-deal-add", encoder: payload.Form(payload.FormOptions{Lists: payload.ListIndex}), data: dealExample()},
		{name: "2-wire-numeric-ids", encoder: numeric, data: numericIDs},
		{name: "3-task-extra", encoder: js, data: taskExample()},
		{name: "3-task-minimal", encoder: js, data: task{FullName: "Mario Rossi", Phone: "+39333111222", Email: "mario@example.com"}},
		{name: "3-task-escapes", encoder: js, data: task{
			FullName: "Zoë <b> & \"Co\" \\ \u2028", Phone: "+39\n1\t2", Email: "perché@example.com",
			ExtraFields: payload.Fields{{Name: "città", Value: "Forlì\x01\x7f"}, {Name: "null", Value: nil}, {Name: "x", Value: 0.1}},
		}},
		{name: "4-click-example", encoder: js, data: clickExample()},
		{name: "4-click-bot-nulls", encoder: js, data: clickBot()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := payload.Validate(tt.data); err != nil {
				t.Errorf("Validate(%s) = %v, want nil", tt.name, err)
			}
			body, err := tt.encoder.Encode(nil, &payload.Event{Data: tt.data})
			if err != nil {
				t.Fatalf("Encode(%s) = %v, want nil", tt.name, err)
			}
			got, err := payload.Splice(nil, &body, tt.params)
			if err != nil {
				t.Fatalf("Splice(%s) = %v, want nil", tt.name, err)
			}
			golden(t, tt.name, got)
		})
	}
}

// TestDocuments holds the bodies that the documents of the systems print.
func TestDocuments(t *testing.T) {
	form, js := payload.Form(payload.FormOptions{}), payload.JSON(payload.JSONOptions{})
	for _, tt := range []struct {
		name    string
		encoder payload.Encoder
		data    any
		want    string
	}{
		{
			name: "lead", encoder: form, data: leadExample(),
			want: "ad_id=72&email=test%40transactionale.com&coupon_code=TRCOUPON&first_name=Marianna&zip_code=12345",
		},
		{
			name: "task", encoder: js, data: taskExample(),
			want: `{"full_name":"Giulia Bianchi","phone":"+39344999888","email":"giulia@example.com","extra_fields":{"eta":29,"citta":"Milano","interesse":"Corso di Marketing"}}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body, err := tt.encoder.Encode(nil, &payload.Event{Data: tt.data})
			if err != nil || string(body.Data) != tt.want {
				t.Errorf("Encode(%s) = %s, %v, want %s", tt.name, body.Data, err, tt.want)
			}
		})
	}
	body, err := js.Encode(nil, &payload.Event{Data: clickExample()})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(body.Data)
	if got := hex.EncodeToString(sum[:]); len(body.Data) != 860 || !strings.HasPrefix(got, "771268521b3a7965") {
		t.Errorf("Encode(click) = %d bytes, sha256 %s, want 860 and 771268521b3a7965", len(body.Data), got)
	}
}
