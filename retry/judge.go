package retry

import (
	"net/http"
	"slices"
	"strings"
)

// Response is what one attempt brought back.
type Response struct {
	// Status is the HTTP status code; 0 when no response came.
	Status int
	// Header is the response header; nil when no response came.
	Header http.Header
	// Body is the part of the answer that was read, which may not be the whole.
	Body []byte
	// Err says why there is no response; nil otherwise.
	Err error
	// Attempt is the number of this attempt, 1 for the first.
	Attempt int
}

// Judge turns a response into an [Outcome]: Accepted, Known, Retryable,
// Rejected or Gone. It must be a pure function, safe for concurrent use, and
// must not change the header or the body. A panic in it is contained by the
// caller and costs that delivery alone.
type Judge func(Response) Outcome

// Default is the judge of a policy that names none: 2xx is Accepted, 410 is
// Gone, which disables the endpoint, and all the rest is Retryable: no
// response, a redirect (which is never followed), every other 4xx and 5xx.
func Default(r Response) Outcome {
	switch {
	case r.Status >= 200 && r.Status < 300:
		return Accepted
	case r.Status == http.StatusGone:
		return Gone
	}
	return Retryable
}

// SuccessBelow returns a judge for receivers whose whole contract is "from
// limit on it is an error": a status from 200 to limit-1 is Accepted,
// everything else is Retryable, also 410 and no response. With a limit of 400
// a redirect counts as success; it is not followed either way.
//
//	retry.KnownOn(retry.SuccessBelow(300), 400) // 400: known already
func SuccessBelow(limit int) Judge {
	return func(r Response) Outcome {
		if r.Status >= 200 && r.Status < limit {
			return Accepted
		}
		return Retryable
	}
}

// KnownOn returns a judge that says Known on any of the statuses, and asks j
// on the others. It is for receivers that answer a repeat with an error of
// their own. A nil j is [Default].
func KnownOn(j Judge, statuses ...int) Judge {
	j = orDefault(j)
	statuses = slices.Clone(statuses)
	return func(r Response) Outcome {
		if r.Status != 0 && slices.Contains(statuses, r.Status) {
			return Known
		}
		return j(r)
	}
}

// Word returns a judge that listens to the receiver's own word in the response
// header Webhook-Delivery, as Svix documents it: "disable" is Gone whatever the
// status, "abort-message" turns a failure into Rejected (what j takes for
// Accepted or Known stays so). Without the header, or on another value, j
// alone decides. A nil j is [Default].
func Word(j Judge) Judge {
	j = orDefault(j)
	return func(r Response) Outcome {
		word := strings.TrimSpace(r.Header.Get("Webhook-Delivery"))
		if strings.EqualFold(word, "disable") {
			return Gone
		}
		o := j(r)
		if o == Retryable && strings.EqualFold(word, "abort-message") {
			return Rejected
		}
		return o
	}
}

func orDefault(j Judge) Judge {
	if j == nil {
		return Default
	}
	return j
}
