// Package webhook brings a host's typed events to the URLs that its customers
// registered.
//
// # One delivery, from its event to its end
//
// The host declares a struct with an EventType method and hands a value of it
// to [Dispatcher.Dispatch], with the scopes that it happened to. Dispatch
// validates it, asks the [EndpointStore] which endpoints want it (match),
// encodes it once for each encoder and set of fields among them (encode), and
// stores one [Message] with a [Delivery] for each endpoint (enqueue). What has
// a volatile policy stays in memory instead, in the same lanes as the rest.
// Dispatch returns a [Receipt]; it has sent nothing. A store that remembers what it
// matched ([Recaller]) is asked nothing more by match: enqueue checks that it still
// holds, and where it does not, match asks after all.
//
// [Dispatcher.Run] claims deliveries from the [Queue], under a lease, and lets
// them wait in lanes, one for each endpoint. While it sees the end of what is
// due, Dispatch claims in the same write what it stores ([Take]), as far as
// requests to receivers that answer could begin at once: such a delivery costs no
// Claim and no second commit, and is on its way as soon as it is stored.
//
// A pool of workers turns the lanes in a ring. A worker takes a delivery, makes
// sure that the lease will outlast the attempt and that the endpoint is at most
// a second old, and makes one attempt: it splices the endpoint's parameters into
// the stored bytes (render), signs the result (sign), sends one request through
// the endpoint's transport (post), and asks the policy what the answer means
// (judge). The [retry.Outcome] decides the delivery's next [State], which
// goes back to the queue with others in one write, fenced by the token of the
// claim (settle).
//
//	Accepted             Delivered
//	Known                Duplicate
//	Retryable, Refused   Pending again; Failed when attempts or age end
//	Rejected             Failed
//	Gone                 Failed, and the endpoint is disabled
//	Interrupted          Pending again; at most once: Failed
//
// # Guarantees
//
// Stored means never lost before its attempt: when Dispatch returns nil, the
// deliveries under stored policies are as durable as the Queue makes them.
// Under an at-least-once policy a crash can repeat an attempt: at most those
// under way or answered but not yet settled. That is Config.MaxInFlight and
// twice Config.ClaimBatch: while so many wait or are unsettled, nothing more
// is claimed. While the store takes no results, a process keeps
// them, and repeats nothing whose answer it knows, however long that lasts;
// another process may, once the lease has ended. A process that stood still
// posts nothing whose lease ended meanwhile: on HTTP/1 the clock is looked at in
// the call that writes, on HTTP/2 before it. What Dispatch claimed is sent again,
// like all that is claimed, once its lease has ended without an answer; so is it
// sent that late where the process ended before its request, or nobody learned
// whether the event was stored. The message id is the same
// every time, and is what receivers tell repeats by. Under an at-most-once
// policy a claim is final: a delivery whose lease ended is Failed, and not sent
// again.
//
// What is fixed at dispatch: the bytes of the bodies, the encoder, the policy's
// name, the order key. What is read at send, at most one second old: URL,
// secrets, headers, parameters, signer, transport, status.
//
// Order: an ordered endpoint gets the first arrivals of each key in the order
// of dispatch: A before B when A's Dispatch returned before B's began. Inside
// host transactions it is the order in which they wrote, as far as the later
// one saw the earlier one committed. Late repeats carry an id seen before. A
// delivery that fails for good lets the next one pass; a redelivery goes to
// the tail.
//
// A bad neighbour costs the others nothing: each endpoint has its own lane. It
// starts with one request at a time and earns more, up to its limit, by
// answering; a request slower than Config.SlowAfter gives its place among the
// fast ones back, and one to an endpoint that did not answer the last time as
// soon as one that did would wait. After FailingRules.OpenAfter failures in a
// row the endpoint is parked for all processes, and one probe opens it again.
//
// Hosts that feed each other, or themselves, stop: a handler behind
// signer.Verifier.Middleware that dispatches with its request's context passes
// on how many dispatches lie behind it, and [Config].MaxHops bounds them.
//
// # Where this differs from what one might expect
//
// A body carries, besides its content type, how many bytes follow the place
// where parameters are spliced (payload.Body.Tail): the content type alone
// does not tell a bare object from one inside an envelope.
//
// Parking is per endpoint, for all its ordered keys at once; the order of a
// key needs no parking, since [Queue.Claim] only hands out heads. Held is how
// a history shows a Pending delivery of an endpoint that is parked because it
// is paused: pausing a million deliveries is one write.
//
// # Storage
//
// A host that wants its own storage implements [EndpointStore] and [Queue],
// seven methods in all, and proves them with package storetest. Everything
// else that stores can do is an optional interface; see stores.go. Ready ones
// are memstore (in memory), sqlstore (SQLite, PostgreSQL, MariaDB), and
// pgxstore (PostgreSQL through pgx; a module of its own).
package webhook
