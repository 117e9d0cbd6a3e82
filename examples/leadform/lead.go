package main

import "errors"

// Lead is the event: a person who accepted an offer of a campaign. The fields
// stand in the order in which they are sent; what a publisher did not pass on
// is left out.
type Lead struct {
	ID string `form:"-"` // the platform's own; it is not sent

	AdID       string `form:"ad_id" webhook:"required"` // the campaign
	Email      string `form:"email" webhook:"required"`
	CouponCode string `form:"coupon_code,omitempty"`
	FirstName  string `form:"first_name,omitempty"`
	LastName   string `form:"last_name,omitempty"`
	Gender     Gender `form:"gender,omitempty"`
	Phone      string `form:"phone,omitempty"`
	BirthYear  int    `form:"birth_year,omitempty"`
	ZipCode    string `form:"zip_code,omitempty"` // text: it may begin with zeros
}

// EventType implements webhook.Event.
func (Lead) EventType() string { return "lead.created" }

// EventID implements webhook.Identified: a lead that is dispatched twice, after
// a crash for instance, is sent once.
func (l Lead) EventID() string { return l.ID }

// Gender is "M", "F", or not known.
type Gender string

// Validate is called by the dispatcher before anything is stored or sent.
func (g Gender) Validate() error {
	if g == "" || g == "M" || g == "F" {
		return nil
	}
	return errors.New(`must be "M" or "F", or be left out`)
}

// examples returns the leads that the example sends: that of the platform's
// documentation, one with every field, and one with the required ones alone.
func examples() []Lead {
	return []Lead{
		{
			ID: "lead-1", AdID: "72", Email: "test@transactionale.com", CouponCode: "TRCOUPON",
			FirstName: "Marianna", ZipCode: "12345",
		},
		{
			ID: "lead-2", AdID: "72", Email: "anna.d'amico@example.com", CouponCode: "A B&C", FirstName: "Anna Lucia",
			LastName: "D'Amico", Gender: "F", Phone: "+393331112223", BirthYear: 1980, ZipCode: "00184",
		},
		{ID: "lead-3", AdID: "72", Email: "a@example.com"},
	}
}
