package main

import (
	"errors"
	"net/netip"
	"time"

	"github.com/outhook/outhook/payload"
)

// newCatalog describes the nine event types. With it, a static parameter that
// clashes with a field, and a Go type that no form can carry, are errors when
// a webhook is set, not when the first event happens.
func newCatalog() (*payload.Catalog, error) {
	c := payload.NewCatalog()
	s := samples("mario")
	err := errors.Join(
		payload.Describe(c, string(QRCodeCreated), "a QR code was generated", s.created),
		payload.Describe(c, string(QRCodeScanned), "a QR code was scanned", s.scanned),
		payload.Describe(c, string(VoucherCreated), "a voucher was created", s.voucher),
		payload.Describe(c, string(VoucherUpdated), "a voucher was updated", s.updated),
		payload.Describe(c, string(VoucherRedeemed), "a voucher was redeemed, or refused", s.redeemed),
		payload.Describe(c, string(VoucherExpired), "a voucher expired", s.expired),
		payload.Describe(c, string(LeadCreated), "a lead was created", s.lead),
		payload.Describe(c, string(ButtonClicked), "a call-to-action button was clicked", s.clicked),
		payload.Describe(c, string(JobFinished), "a bulk job was finished", s.finished),
	)
	return c, err
}

// sampleSet is one event of each type.
type sampleSet struct {
	created, voucher, expired Plain
	scanned                   Scanned
	updated                   Updated
	redeemed                  Redeemed
	lead                      Lead
	clicked                   Clicked
	finished                  Finished
}

// all returns the events in the order of the platform's documentation.
func (s *sampleSet) all() []Event {
	return []Event{s.created, s.scanned, s.voucher, s.updated, s.redeemed, s.expired, s.lead, s.clicked, s.finished}
}

func samples(user string) *sampleSet {
	std := func(name Name) Standard {
		at := time.Date(2025, 3, 4, 11, 5, 6, 0, time.UTC)
		return Standard{Event: name, Timestamp: at, User: user, Code: "https://qr.example/AbC1"}
	}
	lng, lat := 9.19, 45.4642
	return &sampleSet{
		created: Plain{std(QRCodeCreated)},
		scanned: Scanned{
			Standard: std(QRCodeScanned), Accuracy: 25, AnonymizedIP: netip.MustParseAddr("203.0.113.77"),
			Country: "IT", Device: "Pixel 8", Email: "mario@example.com", Lng: &lng, Lat: &lat, Mobile: true,
			OS: "Android", QueryString: "utm_source=a&x[]=1", Redirects: 12, Type: "URL", UniqueID: "u-77", Visitors: 9,
		},
		voucher: Plain{std(VoucherCreated)},
		updated: Updated{
			Standard: std(VoucherUpdated), Title: "Caffè", Description: "One coffee, on the house", Type: UniqueIP,
			ProductName: "Espresso", Website: "https://bar.example/", CouponNumber: "C-1",
			ValidFrom: time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC), ValidTo: time.Date(2025, 3, 31, 0, 0, 0, 0, time.UTC),
		},
		redeemed: Redeemed{
			Standard: std(VoucherRedeemed), Status: Success, Type: UniqueID, EANCode: "4006381333931", UniqueID: "v-1",
		},
		expired:  Plain{std(VoucherExpired)},
		lead:     Lead{Standard: std(LeadCreated), Email: "anna@example.com", Name: "Anna"},
		clicked:  Clicked{Standard: std(ButtonClicked), C2A: "https://example.com/?a=b"},
		finished: Finished{Standard: std(JobFinished), Download: "https://qr.example/jobs/7.zip"},
	}
}
