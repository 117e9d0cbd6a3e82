package main

import (
	"errors"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/webhook"
)

// Event is what happens in an account.
type Event interface {
	webhook.Event
	// InLists returns the lists that it happened in.
	InLists() []int
}

// Head is how every body begins.
type Head struct {
	Type          Type      `form:"type" webhook:"required"`
	DateTime      time.Time `form:"date_time" webhook:"required,layout=2006-01-02T15:04:05-07:00"`
	InitiatedFrom Source    `form:"initiated_from"`
	InitiatedBy   Source    `form:"initiated_by"`
	List          int       `form:"list"` // where it is one list; else 0
	Lists         []int     `form:"-"`    // not sent: an event of several is one event
}

// EventType implements webhook.Event for every event that holds a Head.
func (h Head) EventType() string { return string(h.Type) }

// EventTime implements webhook.Timed.
func (h Head) EventTime() time.Time { return h.DateTime }

// EventSource implements webhook.Sourced: webhooks select by it.
func (h Head) EventSource() string { return string(h.InitiatedFrom) }

// InLists implements Event.
func (h Head) InLists() []int { return h.Lists }

// Source is what caused an event.
type Source string

// The four sources.
const (
	Public Source = "public" // the contact
	Admin  Source = "admin"
	API    Source = "api"
	System Source = "system"
)

// Validate refuses other sources.
func (s Source) Validate() error {
	switch s {
	case Public, Admin, API, System:
		return nil
	}
	return errors.New("must be public, admin, api or system")
}

// Contact is a person. Its fields stand under the names of their tags: a
// receiver that parses brackets as PHP and qs do would take numbers for a list
// and lose them. Its IP address is not sent.
type Contact struct {
	ID        int            `form:"id"`
	Email     string         `form:"email" webhook:"required"`
	FirstName string         `form:"first_name"`
	LastName  string         `form:"last_name"`
	Phone     string         `form:"phone"`
	Tags      string         `form:"tags"` // joined by ", "
	Fields    payload.Fields `form:"fields"`
	AcctName  string         `form:"customer_acct_name"`
	OrgName   string         `form:"orgname"`
}

// ContactEvent is subscribe, unsubscribe or update.
type ContactEvent struct {
	Head
	Contact  Contact `form:"contact"`
	AcctName string  `form:"customer_acct_name"`
	AcctID   string  `form:"customer_acct_id"`
	OrgName  string  `form:"orgname"`
}

// TagEvent is contact_tag_added or contact_tag_removed.
type TagEvent struct {
	Head
	Tag     string  `form:"tag" webhook:"required"`
	Contact Contact `form:"contact"`
}

// NoteEvent is subscriber_note. A note has no limit but that of the encoder.
type NoteEvent struct {
	Head
	Note    string  `form:"note"`
	Contact Contact `form:"contact"`
}

// Item is anything that has a number and a name.
type Item struct {
	ID   int    `form:"id"`
	Name string `form:"name"`
}

// CampaignEvent is forward, open or share.
type CampaignEvent struct {
	Head
	Contact  Contact `form:"contact"`
	Campaign Item    `form:"campaign"`
}

// SentEvent is sent: a campaign starts to be sent.
type SentEvent struct {
	Head
	Campaign Item `form:"campaign"`
}

// ClickEvent is click.
type ClickEvent struct {
	Head
	Contact  Contact `form:"contact"`
	Campaign Item    `form:"campaign"`
	Link     struct {
		ID  int    `form:"id"`
		URL string `form:"url"`
	} `form:"link"`
}

// BounceEvent is bounce.
type BounceEvent struct {
	Head
	Contact  Contact `form:"contact"`
	Campaign Item    `form:"campaign"`
	Bounce   struct {
		Type string `form:"type"` // "hard" or "soft"
		Code string `form:"code"`
	} `form:"bounce"`
}

// ReplyEvent is reply.
type ReplyEvent struct {
	Head
	Contact  Contact `form:"contact"`
	Campaign Item    `form:"campaign"`
	Message  string  `form:"message"`
}

// Deal is a deal.
type Deal struct {
	ID            int    `form:"id"`
	Title         string `form:"title"`
	Value         string `form:"value"`
	ValueRaw      int    `form:"value_raw"`
	Currency      string `form:"currency"`
	CreateDate    string `form:"create_date"`
	CreateDateISO string `form:"create_date_iso"`
}

// DealEvent is deal_add or deal_update.
type DealEvent struct {
	Head
	Deal          Deal     `form:"deal"`
	UpdatedFields []string `form:"updated_fields"`
}

// DealNoteEvent is deal_note_add.
type DealNoteEvent struct {
	Head
	Deal Deal   `form:"deal"`
	Note string `form:"note"`
}

// PipelineEvent is deal_pipeline_add.
type PipelineEvent struct {
	Head
	Pipeline Item `form:"pipeline"`
}

// StageEvent is deal_stage_add.
type StageEvent struct {
	Head
	Stage    Item `form:"stage"`
	Pipeline Item `form:"pipeline"`
}

// TaskEvent is deal_task_add or deal_task_complete.
type TaskEvent struct {
	Head
	Deal Deal `form:"deal"`
	Task Item `form:"task"`
}

// TaskTypeEvent is deal_tasktype_add.
type TaskTypeEvent struct {
	Head
	TaskType Item `form:"tasktype"`
}

// ListEvent is list_add.
type ListEvent struct {
	Head
	Added Item `form:"added"`
}

// SMSEvent is sms_reply, sms_sent or sms_unsub.
type SMSEvent struct {
	Head
	Contact Contact `form:"contact"`
	Message string  `form:"message"`
}

// Step is what a webhook inside an automation sends: no type, no source, and
// the number of the automation at the end.
type Step struct {
	Contact  Contact `form:"contact"`
	SeriesID int     `form:"seriesid" webhook:"required"`
}

// EventType implements webhook.Event. It is not sent.
func (Step) EventType() string { return "automation.step" }
