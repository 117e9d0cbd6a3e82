package simtest_test

// rule names what must never happen.
type rule string

const (
	ruleLost        rule = "an accepted delivery never ends"
	ruleUnstored    rule = "what Dispatch accepted is not stored"
	rulePartial     rule = "a batch is stored in part"
	ruleTwins       rule = "one event id has two deliveries for one endpoint"
	ruleUnacked     rule = "delivered without a success that the receiver gave"
	ruleDenied      rule = "a success that arrived is recorded as a failure"
	ruleEnding      rule = "an end that the policy does not allow"
	ruleFinal       rule = "a final state changed"
	ruleHooks       rule = "a hook told an end that is not stored"
	ruleEarly       rule = "handed out before its time"
	ruleDelay       rule = "to be tried again sooner than the policy says"
	ruleLeased      rule = "handed out while it is leased"
	ruleUnleased    rule = "sent without a lease"
	ruleStale       rule = "a stale settlement changed something"
	ruleUnsettled   rule = "a good settlement changed nothing"
	ruleParked      rule = "handed out while its endpoint is parked"
	ruleUnfair      rule = "one endpoint's backlog keeps another waiting"
	ruleDueOrder    rule = "handed out in another order than due"
	ruleBounds      rule = "a claim holds more than was asked for"
	ruleOrder       rule = "an ordered key arrives out of order"
	ruleHead        rule = "handed out before the first of its key ended"
	ruleOnce        rule = "sent more often than its policy allows"
	ruleUnrecorded  rule = "a request without its record"
	ruleIdentity    rule = "message id or body differ between attempts"
	ruleSignature   rule = "the signature does not verify, or is old"
	ruleEdited      rule = "sent by what an endpoint was more than a second ago"
	ruleRate        rule = "more requests than the store granted"
	ruleForgotten   rule = "a drain left claimed work behind"
	ruleDispatch    rule = "Dispatch outlived its context"
	ruleRefused     rule = "Dispatch fails though nothing is wrong any more"
	ruleNeverEnds   rule = "Run or Shutdown do not return"
	ruleAddressed   rule = "an event is stored for other endpoints than were there while it was dispatched"
	ruleOutdated    rule = "what is refused as out of date is stored"
	ruleTold        rule = "Dispatch returns ErrOutdated"
	ruleInventories rule = "the history tells something else than was settled"
)

// violation is one thing that happened and must not.
type violation struct {
	Rule rule
	Text string
}

func (v violation) String() string { return string(v.Rule) + ": " + v.Text }
