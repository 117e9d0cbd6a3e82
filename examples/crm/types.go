package main

// Type is the name of an event type on the wire.
type Type string

// The 25 event types, in the order of the platform's documentation.
const (
	Forward           Type = "forward"
	Open              Type = "open"
	Share             Type = "share"
	Sent              Type = "sent"
	Subscribe         Type = "subscribe"
	SubscriberNote    Type = "subscriber_note"
	ContactTagAdded   Type = "contact_tag_added"
	ContactTagRemoved Type = "contact_tag_removed"
	Unsubscribe       Type = "unsubscribe"
	Update            Type = "update"
	DealAdd           Type = "deal_add"
	DealNoteAdd       Type = "deal_note_add"
	DealPipelineAdd   Type = "deal_pipeline_add"
	DealStageAdd      Type = "deal_stage_add"
	DealTaskAdd       Type = "deal_task_add"
	DealTaskComplete  Type = "deal_task_complete"
	DealTaskTypeAdd   Type = "deal_tasktype_add"
	DealUpdate        Type = "deal_update"
	Bounce            Type = "bounce"
	Reply             Type = "reply"
	Click             Type = "click"
	ListAdd           Type = "list_add"
	SMSReply          Type = "sms_reply"
	SMSSent           Type = "sms_sent"
	SMSUnsub          Type = "sms_unsub"
)

// OfLists reports whether a webhook on one list hears of this type for that
// list alone. The other types are the account's: they reach every webhook that
// selects them, whatever list it is on.
func (t Type) OfLists() bool {
	switch t {
	case Forward, Open, Share, Sent, Subscribe, Unsubscribe, Update, Bounce, Reply, Click:
		return true
	case SubscriberNote, ContactTagAdded, ContactTagRemoved, DealAdd, DealNoteAdd, DealPipelineAdd, DealStageAdd,
		DealTaskAdd, DealTaskComplete, DealTaskTypeAdd, DealUpdate, ListAdd, SMSReply, SMSSent, SMSUnsub:
		return false
	}
	return false
}
