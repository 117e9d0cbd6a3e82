package webhooktest

import (
	"encoding/binary"
	"io"
	"math"
	"sync"
	"time"
)

// What of HTTP/2 (RFC 9113) a hostile receiver needs.
const (
	frameData         = 0
	frameHeaders      = 1
	framePriority     = 2
	frameReset        = 3
	frameSettings     = 4
	framePush         = 5
	framePing         = 6
	frameGoAway       = 7
	frameWindow       = 8
	frameContinuation = 9

	flagEndStream  = 1
	flagAck        = 1
	flagEndHeaders = 4

	settingWindow    = 4
	settingFrameSize = 5
	initialWindow    = 64<<10 - 1
)

// session is one HTTP/2 connection.
type session struct {
	*peer

	mu      sync.Mutex
	resets  map[uint32]chan struct{} // closed when the stream is reset
	grown   chan struct{}            // closed when a window grows
	initial int64
	conn    int64
	streams map[uint32]int64
}

// over2 makes a hazard of a receiver that calls answer for each request.
func over2(name string, answer func(s *session, stream uint32)) Hazard {
	return over2With(name, nil, answer)
}

// over2With sends these settings first; nil: none that matter.
func over2With(name string, settings []byte, answer func(s *session, stream uint32)) Hazard {
	return Hazard{Name: "http2-" + name, TLS: true, certificate: goodCertificate, http2: true, serve: func(p *peer) {
		s := &session{
			peer: p, resets: make(map[uint32]chan struct{}), grown: make(chan struct{}),
			initial: initialWindow, conn: initialWindow, streams: make(map[uint32]int64),
		}
		if _, err := io.ReadFull(p.in, make([]byte, 24)); err != nil {
			return
		}
		_ = s.frame(frameSettings, 0, 0, settings) // the next read tells
		s.read(answer)
		_ = p.Close() // ends what still writes
	}}
}

func hangs(h Hazard) Hazard {
	h.Hangs = true
	return h
}

// frame writes a frame. It may be called concurrently.
func (p *peer) frame(kind, flags byte, stream uint32, payload []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out = append(p.out[:0], byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
	p.out = binary.BigEndian.AppendUint32(p.out, stream)
	p.out = append(p.out, payload...)
	_, err := p.Write(p.out)
	return err
}

// read takes frames until the other side goes away.
func (s *session) read(answer func(s *session, stream uint32)) {
	var head [9]byte
	for {
		if _, err := io.ReadFull(s.in, head[:]); err != nil {
			return
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(s.in, payload); err != nil {
			return
		}
		stream := binary.BigEndian.Uint32(head[5:])
		switch {
		case head[3] == frameHeaders:
			s.begun()
			s.reset(stream)
			s.own.servers.Go(func() { answer(s, stream) })
		case head[3] == frameReset:
			close(s.reset(stream))
		case head[3] == frameWindow && len(payload) == 4:
			s.grow(stream, int64(binary.BigEndian.Uint32(payload)))
		case head[3] == frameSettings && head[4]&flagAck == 0:
			s.apply(payload)
			_ = s.frame(frameSettings, flagAck, 0, nil)
		case head[3] == framePing && head[4]&flagAck == 0:
			_ = s.frame(framePing, flagAck, 0, payload)
		}
	}
}

// reset is closed when the stream is reset. Senders do that once.
func (s *session) reset(stream uint32) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.resets[stream] == nil {
		s.resets[stream] = make(chan struct{})
	}
	return s.resets[stream]
}

// pour sends data as fast as the windows allow, until the stream is reset;
// false means that the connection ended first.
func (s *session) pour(stream uint32, data []byte) bool {
	for reset := s.reset(stream); ; {
		n, wait := s.room(stream, int64(len(data)))
		if n > 0 && s.frame(frameData, 0, stream, data[:n]) != nil {
			return false
		}
		select {
		case <-reset:
			return true
		default:
		}
		if n > 0 {
			continue
		}
		select {
		case <-wait:
		case <-reset:
			return true
		case <-s.own.done:
			return false
		}
	}
}

// apply takes the one setting that matters here.
func (s *session) apply(settings []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; len(settings) >= 6; settings = settings[6:] {
		if binary.BigEndian.Uint16(settings) == settingWindow {
			s.initial = int64(binary.BigEndian.Uint32(settings[2:]))
		}
	}
}

func (s *session) grow(stream uint32, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stream == 0 {
		s.conn += n
	} else {
		s.streams[stream] += n
	}
	close(s.grown)
	s.grown = make(chan struct{})
}

// room takes up to most bytes from the windows, or returns what to wait for.
func (s *session) room(stream uint32, most int64) (int64, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(most, s.conn, s.initial+s.streams[stream])
	if n <= 0 {
		return 0, s.grown
	}
	s.conn -= n
	s.streams[stream] -= n
	return n, nil
}

// ok sends a header block with nothing but ":status: 200": an entry of the
// static table (RFC 7541, appendix A).
func (s *session) ok(stream uint32) error {
	return s.frame(frameHeaders, flagEndHeaders, stream, []byte{0x88})
}

func code(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

func goAway(last uint32) []byte { return append(code(last), code(0)...) }

func setting(id uint16, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(nil, id), value)
}

// http2Hazards refuse a request in the ways after which senders repeat it,
// flood, or starve.
func http2Hazards() []Hazard {
	reset := func(n uint32) func(*session, uint32) {
		return func(s *session, stream uint32) { _ = s.frame(frameReset, 0, stream, code(n)) }
	}
	goingAway := func(last uint32) func(*session, uint32) {
		return func(s *session, _ uint32) {
			_ = s.frame(frameGoAway, 0, 0, goAway(last))
			s.rest(5 * time.Millisecond)
			_ = s.Close()
		}
	}
	return append(floods(),
		over2("goaway-loop", goingAway(0)),
		over2("goaway-after-request", goingAway(math.MaxInt32)),
		over2("refused-stream-loop", reset(7)),
		over2("protocol-error", reset(1)),
		over2("cancel", reset(8)),
		over2("enhance-your-calm", reset(11)),
		over2("http11-required", reset(13)),
		over2("closes", func(s *session, _ uint32) { _ = s.Close() }),
		over2("garbage", func(s *session, _ uint32) { s.say("HTTP/1.1 200 OK\r\n\r\n") }),
		over2("frame-too-large", func(s *session, stream uint32) { _ = s.frame(frameData, 0, stream, make([]byte, 32<<10)) }),
		over2("frame-announced", func(s *session, stream uint32) { // 1 MiB, of which nothing comes
			s.say("\x10\x00\x00\x00\x00" + string(code(stream)))
			s.rest(50 * time.Millisecond)
			_ = s.Close()
		}),
		over2("bad-compression", func(s *session, stream uint32) {
			_ = s.frame(frameHeaders, flagEndHeaders, stream, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
		}),
		over2("push", func(s *session, stream uint32) {
			_ = s.frame(framePush, flagEndHeaders, stream, append(code(2), 0x82))
		}),
		over2("reset-after-answer", func(s *session, stream uint32) {
			_ = s.ok(stream)
			_ = s.frame(frameReset, 0, stream, code(2))
		}),
		hangs(over2("never-answers", func(*session, uint32) {})),
		hangs(over2("unread-and-unended", func(s *session, stream uint32) {
			_ = s.ok(stream)
			_ = s.frame(frameData, 0, stream, []byte("ten bytes."))
		})),
		hangs(over2With("no-window", setting(settingWindow, 0), func(*session, uint32) {})),
		over2With("frame-size-zero", setting(settingFrameSize, 0), func(*session, uint32) {}),
	)
}

// floods go on for ever, some of them after their stream was reset.
func floods() []Hazard {
	data, ping := make([]byte, 16<<10), make([]byte, 8)
	// A header field that is not indexed, "x: " and 8 KiB.
	field := append([]byte{0, 1, 'x', 0x7f, 0x81, 0x3f}, make([]byte, 8<<10)...)
	for i := range field[6:] {
		field[6+i] = 'p'
	}
	hints := []byte{0x08, 3, '1', '0', '3'} // ":status: 103"
	return []Hazard{
		over2("unread-answer", func(s *session, stream uint32) {
			_ = s.ok(stream)
			s.pour(stream, data)
		}),
		flood("flood-over-window", func(s *session, stream uint32) error { return s.frame(frameData, 0, stream, data) }),
		flood("empty-data-flood", func(s *session, stream uint32) error { return s.frame(frameData, 0, stream, nil) }),
		flood("ping-flood", func(s *session, _ uint32) error { return s.frame(framePing, 0, 0, ping) }),
		flood("settings-flood", func(s *session, _ uint32) error { return s.frame(frameSettings, 0, 0, nil) }),
		flood("priority-flood", func(s *session, stream uint32) error { return s.frame(framePriority, 0, stream, make([]byte, 5)) }),
		floodAtOnce("1xx-flood", func(s *session, stream uint32) error {
			return s.frame(frameHeaders, flagEndHeaders, stream, hints)
		}),
		floodAtOnce("continuation-flood", begin(frameHeaders, frameContinuation, field)),
		floodAfterReset("data-after-reset", func(s *session, stream uint32) error { return s.frame(frameData, 0, stream, data) }),
		floodAfterReset("pings-after-reset", func(s *session, _ uint32) error { return s.frame(framePing, 0, 0, ping) }),
		floodAfterReset("headers-after-reset", func(s *session, stream uint32) error {
			return s.frame(frameHeaders, flagEndHeaders, stream, []byte{0x88})
		}),
	}
}

// begin writes a frame of the first kind, and from then on of the second.
func begin(first, then byte, payload []byte) func(*session, uint32) error {
	var mu sync.Mutex
	begun := make(map[*session]bool)
	return func(s *session, stream uint32) error {
		mu.Lock()
		kind := first
		if begun[s] {
			kind = then
		}
		begun[s] = true
		mu.Unlock()
		return s.frame(kind, 0, stream, payload)
	}
}

func repeat(s *session, stream uint32, part func(*session, uint32) error) {
	for part(s, stream) == nil {
		continue
	}
}

func flood(name string, part func(*session, uint32) error) Hazard {
	return over2(name, func(s *session, stream uint32) {
		_ = s.ok(stream)
		repeat(s, stream, part)
	})
}

func floodAtOnce(name string, part func(*session, uint32) error) Hazard {
	return over2(name, func(s *session, stream uint32) { repeat(s, stream, part) })
}

// floodAfterReset answers with more than a sender reads, waits until it gives
// up the rest, and goes on.
func floodAfterReset(name string, part func(*session, uint32) error) Hazard {
	return over2(name, func(s *session, stream uint32) {
		_ = s.ok(stream)
		if s.pour(stream, make([]byte, 4<<10)) {
			repeat(s, stream, part)
		}
	})
}
