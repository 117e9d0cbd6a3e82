package webhooktest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

const ok = "HTTP/1.1 200 OK\r\n"

// endlessHazards answer without end, as fast as they can.
func endlessHazards() []Hazard {
	pad := strings.Repeat("p", 8<<10)
	return []Hazard{
		gzipBomb(),
		forever("endless-body", ok+"Transfer-Encoding: chunked\r\n\r\n", "2000\r\n"+pad+"\r\n"),
		forever("endless-body-with-length", ok+"Content-Length: 1000000000000\r\n\r\n", pad),
		forever("endless-body-until-close", "HTTP/1.0 200 OK\r\n\r\n", pad),
		forever("endless-headers", ok, "X-Pad: "+pad[:1<<10]+"\r\n"),
		forever("endless-header-line", ok+"X-Pad: ", pad),
		forever("endless-status-line", "HTTP/1.1 200 ", pad),
		forever("endless-trailers", ok+"Transfer-Encoding: chunked\r\nTrailer: X-Pad\r\n\r\n0\r\n", "X-Pad: "+pad[:1<<10]+"\r\n"),
		forever("endless-chunk-extension", ok+"Transfer-Encoding: chunked\r\n\r\n1;", pad),
		forever("endless-tiny-chunks", ok+"Transfer-Encoding: chunked\r\n\r\n", strings.Repeat("1\r\nx\r\n", 1<<10)),
		forever("1xx-flood", "", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 64)),
		forever("100-continue-flood", "", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 64)),
		forever("answers-nobody-asked-for", ok+"Content-Length: 2\r\n\r\nok", ok+"Content-Length: 2\r\n\r\nok"),
	}
}

// gzipBomb sends 1 MiB that unpacks to 1 GiB.
func gzipBomb() Hazard {
	part := sync.OnceValue(func() []byte {
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is a valid one
		_, _ = io.Copy(w, io.LimitReader(zeros{}, 16<<20))
		_ = w.Close()
		return b.Bytes()
	})
	return Hazard{Name: "gzip-bomb", serve: func(p *peer) {
		const parts = 64 // gzip takes several members one after the other
		if !p.request() || !p.say(ok+"Content-Encoding: gzip\r\nContent-Length: "+strconv.Itoa(parts*len(part()))+"\r\n\r\n") {
			return
		}
		for range parts {
			if _, err := p.Write(part()); err != nil {
				return
			}
		}
		p.finish()
	}}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// slowHazards keep the sender waiting.
func slowHazards() []Hazard {
	return []Hazard{
		{Name: "never-answers", Hangs: true, serve: func(p *peer) {
			if p.request() {
				p.hang()
			}
		}},
		{Name: "never-reads", Hangs: true, serve: func(p *peer) {
			p.shrink()
			p.begun()
			<-p.own.done
		}},
		{Name: "switches-protocols", Hangs: false, serve: func(p *peer) {
			if p.request() && p.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n") {
				p.hang()
			}
		}},
		drip("slow-headers", ok+"X-Slow: ", "x"),
		drip("slow-1xx", "", "HTTP/1.1 103 Early Hints\r\n\r\n"),
		drip("slow-body", ok+"Content-Length: 1000000\r\n\r\n", "x"),
		drip("slow-chunks", ok+"Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
		drip("slow-trailers", ok+"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", "X-Slow: x\r\n"),
		{Name: "long-body-that-stops", Hangs: true, serve: func(p *peer) {
			if p.request() && p.say(ok+"Content-Length: 100\r\n\r\nten bytes.") {
				p.hang()
			}
		}},
	}
}

// shrink lets the system take in as little as it can.
func (p *peer) shrink() {
	if c, ok := p.raw.(*net.TCPConn); ok {
		_ = c.SetReadBuffer(1)
	}
}

// brokenHazards break the rules of HTTP, or break off.
func brokenHazards() []Hazard {
	return []Hazard{
		once("closes-unanswered", ""),
		once("length-too-long", ok+"Content-Length: 100\r\n\r\nten bytes."),
		once("length-too-short", ok+"Content-Length: 2\r\n\r\nok, and more than was said"),
		once("two-lengths", ok+"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
		once("negative-length", ok+"Content-Length: -1\r\n\r\nok"),
		once("huge-length", ok+"Content-Length: 99999999999999999999\r\n\r\nok"),
		once("length-and-chunked", ok+"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
		once("bad-chunk", ok+"Transfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n"),
		once("chunk-too-large", ok+"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nok\r\n"),
		once("no-http", "220 mail.example ESMTP\r\n"),
		once("status-000", "HTTP/1.1 000 \r\n\r\n"),
		once("status-999", "HTTP/1.1 999 \r\nContent-Length: 0\r\n\r\n"),
		{Name: "resets", serve: func(p *peer) {
			if p.request() {
				p.reset()
			}
		}},
		{Name: "resets-on-connect", serve: (*peer).reset},
		{Name: "answers-on-connect", serve: func(p *peer) {
			if p.say(ok+"Content-Length: 2\r\n\r\nok") && p.request() {
				p.finish()
			}
		}},
		{Name: "answers-before-the-body", serve: func(p *peer) {
			if _, ok := p.header(); ok && p.say("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n") {
				p.finish()
			}
		}},
		{Name: "answers-and-never-reads-the-body", serve: func(p *peer) {
			p.shrink()
			if _, ok := p.header(); ok && p.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok") {
				<-p.own.done
			}
		}},
		{Name: "stale-connection", serve: func(p *peer) {
			if p.request() && p.say(ok+"Content-Length: 2\r\n\r\nok") {
				p.header()
			}
		}},
		{Name: "closes-idle-connections", serve: func(p *peer) {
			if p.request() && p.say(ok+"Content-Length: 2\r\n\r\nok") {
				p.rest(time.Millisecond)
			}
		}},
	}
}

// reset ends a connection with RST where there are sockets.
func (p *peer) reset() {
	if c, ok := p.raw.(*net.TCPConn); ok {
		_ = c.SetLinger(0)
	}
	_ = p.raw.Close()
}

// redirectHazards lead elsewhere. What follows one sends two requests, to
// itself or to an address that it may not reach.
func redirectHazards() []Hazard {
	var list []Hazard
	for _, status := range []int{300, 301, 302, 303, 304, 305, 307, 308} {
		list = append(list, redirect("redirect-"+strconv.Itoa(status), status, "/again"))
	}
	return append(list,
		redirect("redirect-to-metadata", 307, "http://169.254.169.254/latest/meta-data/"),
		redirect("redirect-to-another-scheme", 308, "file:///etc/passwd"),
		redirect("redirect-to-another-host", 307, "http://localhost:1/"),
		redirect("redirect-to-no-host", 307, "http://:80/"),
		redirect("redirect-to-nonsense", 302, "http://%zz/\x7f"),
		redirect("refresh", 200, "/again"),
	)
}

func redirect(name string, status int, to string) Hazard {
	return Hazard{Name: name, serve: func(p *peer) {
		for p.request() {
			p.say(statusLine(status) + "Location: " + to + "\r\nRefresh: 0; url=" + to + "\r\nAlt-Svc: h2=\":1\"\r\nContent-Length: 0\r\n\r\n")
		}
	}}
}

// textHazards write what should not reach a log or a terminal as it is.
func textHazards() []Hazard {
	const ansi = "\x1b[2J\x1b]0;owned\x07\x1b[31mred"
	long := strings.Repeat(ansi+" ", 200)
	return []Hazard{
		once("escapes-in-status-text", "HTTP/1.1 500 "+long+"\r\nContent-Length: 0\r\n\r\n"),
		once("escapes-in-status-code", "HTTP/1.1 "+ansi+" OK\r\nContent-Length: 0\r\n\r\n"),
		once("escapes-in-protocol", ansi+long+"\r\n\r\n"),
		once("escapes-in-header-line", ok+long+"\r\n\r\n"),
		once("escapes-in-header-name", ok+ansi+": 1\r\nContent-Length: 0\r\n\r\n"),
		once("escapes-in-header", "HTTP/1.1 500 No\r\nX-Peer: "+long+"\r\nContent-Length: 0\r\n\r\n"),
		once("escapes-in-length", ok+"Content-Length: "+ansi+"\r\n\r\n"),
		once("escapes-in-encoding", ok+"Transfer-Encoding: "+ansi+"\r\n\r\n"),
		once("escapes-in-body", "HTTP/1.1 500 No\r\nContent-Length: "+strconv.Itoa(len(long))+"\r\n\r\n"+long),
		once("newline-in-status-text", "HTTP/1.1 500 No\rX-Injected: 1\r\nContent-Length: 0\r\n\r\n"),
		once("newline-in-header", "HTTP/1.1 500 No\r\nX-Peer: a\rX-Injected: 1\r\nContent-Length: 0\r\n\r\n"),
		once("retry-after-for-ever", "HTTP/1.1 503 Busy\r\nRetry-After: 99999999999999\r\nContent-Length: 0\r\n\r\n"),
		once("cookies", ok+"Set-Cookie: a="+strings.Repeat("c", 4<<10)+"\r\nContent-Length: 0\r\n\r\n"),
	}
}
