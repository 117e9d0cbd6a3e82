package main

import (
	"errors"
	"time"

	"github.com/outhook/outhook/payload"
)

// newCatalog describes the 25 event types. Its samples are what "send sample
// data" sends.
func newCatalog() (*payload.Catalog, error) {
	c := payload.NewCatalog()
	contact := sampleContact()
	campaign := Item{ID: 3, Name: "Spring & Summer"}
	deal := Deal{
		ID: 5, Title: "Big one", Value: "100.00", ValueRaw: 100, Currency: "eur",
		CreateDate: "2017-11-24 10:06:22", CreateDateISO: "2017-11-24T10:06:22-06:00",
	}
	click := ClickEvent{Head: head(Click), Contact: contact, Campaign: campaign}
	click.Link.ID, click.Link.URL = 8, "https://example.com/?a=1&b=2"
	bounce := BounceEvent{Head: head(Bounce), Contact: contact, Campaign: campaign}
	bounce.Bounce.Type, bounce.Bounce.Code = "hard", "5.1.1"
	add := &adder{catalog: c}
	describe(add, "a campaign was forwarded", CampaignEvent{Head: head(Forward), Contact: contact, Campaign: campaign})
	describe(add, "a campaign was opened", CampaignEvent{Head: head(Open), Contact: contact, Campaign: campaign})
	describe(add, "a campaign was shared", CampaignEvent{Head: head(Share), Contact: contact, Campaign: campaign})
	describe(add, "a campaign starts to be sent", SentEvent{Head: head(Sent), Campaign: campaign})
	describe(add, "a contact was added", ContactEvent{Head: head(Subscribe), Contact: contact})
	describe(add, "a note was added to a contact", NoteEvent{Head: head(SubscriberNote), Note: "Call back on Monday", Contact: contact})
	describe(add, "a tag was added to a contact", TagEvent{Head: head(ContactTagAdded), Tag: "vip", Contact: contact})
	describe(add, "a tag was removed from a contact", TagEvent{Head: head(ContactTagRemoved), Tag: "vip", Contact: contact})
	describe(add, "a contact unsubscribed", ContactEvent{Head: head(Unsubscribe), Contact: contact})
	describe(add, "a contact was updated", ContactEvent{Head: head(Update), Contact: contact})
	describe(add, "a deal was added", DealEvent{Head: head(DealAdd), Deal: deal, UpdatedFields: []string{"title", "value"}})
	describe(add, "a note was added to a deal", DealNoteEvent{Head: head(DealNoteAdd), Deal: deal, Note: "They want two"})
	describe(add, "a pipeline was added", PipelineEvent{Head: head(DealPipelineAdd), Pipeline: Item{ID: 2, Name: "Sales"}})
	describe(add, "a stage was added", StageEvent{Head: head(DealStageAdd), Stage: Item{ID: 4, Name: "Offer"}, Pipeline: Item{ID: 2, Name: "Sales"}})
	describe(add, "a task was added to a deal", TaskEvent{Head: head(DealTaskAdd), Deal: deal, Task: Item{ID: 9, Name: "Send the offer"}})
	describe(add, "a task of a deal was completed", TaskEvent{Head: head(DealTaskComplete), Deal: deal, Task: Item{ID: 9, Name: "Send the offer"}})
	describe(add, "a type of tasks was added", TaskTypeEvent{Head: head(DealTaskTypeAdd), TaskType: Item{ID: 6, Name: "Visit"}})
	describe(add, "a deal was updated", DealEvent{Head: head(DealUpdate), Deal: deal, UpdatedFields: []string{"value"}})
	describe(add, "an email bounced", bounce)
	describe(add, "a contact replied", ReplyEvent{Head: head(Reply), Contact: contact, Campaign: campaign, Message: "Thanks!"})
	describe(add, "a link was clicked", click)
	describe(add, "a list was added", ListEvent{Head: head(ListAdd), Added: Item{ID: 7, Name: "Customers"}})
	describe(add, "a contact replied by SMS", SMSEvent{Head: head(SMSReply), Contact: contact, Message: "YES"})
	describe(add, "an SMS was sent", SMSEvent{Head: head(SMSSent), Contact: contact, Message: "Reply YES to confirm"})
	describe(add, "a contact unsubscribed by SMS", SMSEvent{Head: head(SMSUnsub), Contact: contact, Message: "STOP"})
	return c, errors.Join(add.errs...)
}

// adder fills a catalog and collects what is wrong.
type adder struct {
	catalog *payload.Catalog
	errs    []error
}

func describe[T Event](a *adder, doc string, sample T) {
	a.errs = append(a.errs, payload.Describe(a.catalog, sample.EventType(), doc, sample))
}

// head returns the head of an event that happened in lists 1 and 2.
func head(t Type) Head {
	return Head{
		Type: t, DateTime: time.Date(2017, 11, 24, 16, 6, 22, 0, time.UTC),
		InitiatedFrom: Admin, InitiatedBy: Admin, Lists: []int{1, 2},
	}
}

func sampleContact() Contact {
	return Contact{
		ID: 17, Email: "anna@example.com", FirstName: "Anna", LastName: "D'Amico", Phone: "+39 02 123", Tags: "vip, news",
		Fields: payload.Fields{{Name: "utm_source", Value: "ads"}, {Name: "plan", Value: "più"}},
	}
}
