package netguard_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// h2Server is a HTTP/2 server that knows just enough to be hostile.
type h2Server struct {
	addr     string
	conf     *tls.Config // for clients
	requests atomic.Int64
	conns    atomic.Int64
	resets   atomic.Int64
	// answer is called once for each request; it writes frames.
	answer func(w *frames, stream uint32)
}

// frames writes frames to one connection.
type frames struct {
	net.Conn
	mu sync.Mutex
}

func (f *frames) frame(kind, flags byte, stream uint32, payload []byte) error {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	b = append(binary.BigEndian.AppendUint32(b, stream), payload...)
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.Write(b)
	return err
}

const (
	frameData, frameHeaders, frameReset, frameSettings, framePing, frameGoAway = 0, 1, 3, 4, 6, 7

	endStream, endHeaders, ack = 1, 4, 1
)

func newH2Server(t *testing.T, answer func(w *frames, stream uint32)) *h2Server {
	t.Helper()
	borrowed := httptest.NewUnstartedServer(nil)
	borrowed.EnableHTTP2 = true
	borrowed.StartTLS()
	cert := borrowed.TLS.Certificates[0]
	pool := x509Pool(t, borrowed)
	borrowed.Close()

	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := tls.NewListener(inner, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12})
	s := &h2Server{addr: ln.Addr().String(), conf: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, answer: answer}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			wg.Go(func() { s.serve(&frames{Conn: c}, &wg) })
		}
	})
	return s
}

func (s *h2Server) serve(w *frames, wg *sync.WaitGroup) {
	defer func() { _ = w.Close() }()
	if _, err := io.ReadFull(w, make([]byte, 24)); err != nil {
		return
	}
	_ = w.frame(frameSettings, 0, 0, nil)
	for {
		var h [9]byte
		if _, err := io.ReadFull(w, h[:]); err != nil {
			return
		}
		payload := make([]byte, int(h[0])<<16|int(h[1])<<8|int(h[2]))
		if _, err := io.ReadFull(w, payload); err != nil {
			return
		}
		stream := binary.BigEndian.Uint32(h[5:])
		switch {
		case h[3] == frameHeaders:
			s.requests.Add(1)
			wg.Go(func() { s.answer(w, stream) })
		case h[3] == frameReset:
			s.resets.Add(1)
		case h[3] == frameSettings && h[4]&ack == 0:
			_ = w.frame(frameSettings, ack, 0, nil)
		case h[3] == framePing && h[4]&ack == 0:
			_ = w.frame(framePing, ack, 0, payload)
		}
	}
}
