package main

import (
	"errors"
	"net/netip"
	"time"

	"github.com/outhook/outhook/webhook"
)

// Name is the name of an event type. The platform adds new ones now and then.
type Name string

// The nine event types.
const (
	QRCodeCreated   Name = "QR_CODE_CREATED"
	QRCodeScanned   Name = "QR_CODE_SCANNED"
	VoucherCreated  Name = "VOUCHER_CREATED"
	VoucherUpdated  Name = "VOUCHER_UPDATED"
	VoucherRedeemed Name = "VOUCHER_REDEEMED"
	VoucherExpired  Name = "VOUCHER_EXPIRED"
	LeadCreated     Name = "LEAD_CREATED"
	ButtonClicked   Name = "CALL_2_ACTION_BUTTON_CLICKED"
	JobFinished     Name = "JOB_FINISHED"
)

// Event is what happens on the platform.
type Event interface {
	webhook.Event
	// Owner is the user whose webhook is called.
	Owner() string
}

// Standard holds the parameters that every event has. They stand first; the
// secret token, which is the endpoint's and not the event's, is put last when
// a request is sent.
type Standard struct {
	Event     Name      `form:"event" webhook:"required"`
	Timestamp time.Time `form:"timestamp" webhook:"required,layout=2006-01-02T15:04:05Z07:00"`
	User      string    `form:"user" webhook:"required"`
	Code      string    `form:"code"` // the short URL
}

// EventType implements webhook.Event for every event that holds a Standard.
func (s Standard) EventType() string { return string(s.Event) }

// EventTime implements webhook.Timed.
func (s Standard) EventTime() time.Time { return s.Timestamp }

// Owner implements Event.
func (s Standard) Owner() string { return s.User }

// Plain is an event without parameters of its own: QR_CODE_CREATED,
// VOUCHER_CREATED, VOUCHER_EXPIRED.
type Plain struct{ Standard }

// Scanned is QR_CODE_SCANNED.
type Scanned struct {
	Standard
	Accuracy     int        `form:"accuracy,omitempty"` // metres
	AnonymizedIP netip.Addr `form:"anonymizedip" webhook:"ip=anonymized"`
	Country      string     `form:"country"`
	Device       string     `form:"device"`
	Email        string     `form:"email"` // of the account
	Lng          *float64   `form:"lng"`   // with Lat, or neither
	Lat          *float64   `form:"lat"`
	Mobile       bool       `form:"mobile"`
	OS           string     `form:"os"`
	// QueryString is what a stranger wrote after the short URL. It is one
	// field, whatever is in it.
	QueryString string `form:"querystring"`
	Redirects   int    `form:"redirects"`
	Type        string `form:"type"` // URL, BUSINESS_CARD, ...
	UniqueID    string `form:"uniqueid"`
	Visitors    int    `form:"visitors"`
}

// Validate is called by the dispatcher before anything is stored or sent.
func (s Scanned) Validate() error {
	if (s.Lng == nil) != (s.Lat == nil) {
		return errors.New("lng and lat go together: set both or neither")
	}
	return nil
}

// Updated is VOUCHER_UPDATED.
type Updated struct {
	Standard
	Title        string      `form:"title"`
	Description  string      `form:"description"`
	Type         VoucherType `form:"type"`
	ProductName  string      `form:"productname,omitempty"`
	Website      string      `form:"website,omitempty"`
	CouponNumber string      `form:"couponnumber,omitempty"`
	ValidFrom    time.Time   `form:"validfrom,omitzero" webhook:"layout=2006-01-02"`
	ValidTo      time.Time   `form:"validto,omitzero" webhook:"layout=2006-01-02"`
}

// Redeemed is VOUCHER_REDEEMED, also where the voucher was refused.
type Redeemed struct {
	Standard
	Status   RedeemStatus `form:"status"`
	Type     VoucherType  `form:"type"`
	EANCode  string       `form:"eancode,omitempty"`
	UniqueID string       `form:"uniqueid,omitempty"`
}

// Lead is LEAD_CREATED.
type Lead struct {
	Standard
	Email string `form:"email" webhook:"required"`
	Name  string `form:"name"`
}

// Clicked is CALL_2_ACTION_BUTTON_CLICKED.
type Clicked struct {
	Standard
	C2A string `form:"c2a" webhook:"required"` // the button's URL
}

// Finished is JOB_FINISHED.
type Finished struct {
	Standard
	Download string `form:"download" webhook:"required"` // a link, for 30 days
}

// VoucherType says how often a voucher can be redeemed.
type VoucherType string

// The voucher types.
const (
	UniqueIP VoucherType = "UNIQUEIP" // once per IP address
	UniqueID VoucherType = "UNIQUEID" // once
)

// Validate refuses other types.
func (t VoucherType) Validate() error {
	switch t {
	case UniqueIP, UniqueID:
		return nil
	}
	return errors.New("must be UNIQUEIP or UNIQUEID")
}

// RedeemStatus is what became of redeeming a voucher.
type RedeemStatus string

// The statuses.
const (
	Success         RedeemStatus = "SUCCESS"
	AlreadyRedeemed RedeemStatus = "VOUCHER_ALREADY_REDEEMED"
	Expired         RedeemStatus = "VOUCHER_EXPIRED"
	QuotaExceeded   RedeemStatus = "QUOTA_EXCEEDED"
)

// Validate refuses other statuses.
func (s RedeemStatus) Validate() error {
	switch s {
	case Success, AlreadyRedeemed, Expired, QuotaExceeded:
		return nil
	}
	return errors.New("must be SUCCESS, VOUCHER_ALREADY_REDEEMED, VOUCHER_EXPIRED or QUOTA_EXCEEDED")
}
