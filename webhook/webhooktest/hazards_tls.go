package webhooktest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"
)

// certificate says what is wrong with a receiver's certificate.
type certificate uint8

const (
	goodCertificate certificate = iota + 1
	untrusted
	wrongName
	expired
)

// make returns the TLS of a receiver, and what its senders trust.
func (c certificate) make(http2 bool) (*tls.Config, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hostile"},
		NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	switch c {
	case goodCertificate, untrusted:
	case wrongName:
		template.IPAddresses, template.DNSNames = nil, []string{"another.example"}
	case expired:
		template.NotAfter = now.Add(-time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if c != untrusted {
		roots.AddCert(leaf)
	}
	conf := &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}},
		MinVersion:   tls.VersionTLS10, NextProtos: []string{"http/1.1"},
	}
	if http2 {
		conf.NextProtos = []string{"h2"}
	}
	return conf, roots, nil
}

// tlsHazards fail in the handshake, or right after it.
func tlsHazards() []Hazard {
	answer := func(p *peer) {
		if p.request() {
			p.say(ok + "Content-Length: 2\r\n\r\nok")
		}
	}
	return []Hazard{
		{Name: "tls-untrusted", TLS: true, certificate: untrusted, serve: answer},
		{Name: "tls-wrong-name", TLS: true, certificate: wrongName, serve: answer},
		{Name: "tls-expired", TLS: true, certificate: expired, serve: answer},
		{Name: "tls-too-old", TLS: true, certificate: goodCertificate, serve: func(p *peer) {
			old := p.own.config.Clone()
			old.MaxVersion = tls.VersionTLS11
			_ = tls.Server(p.raw, old).HandshakeContext(context.Background()) // it fails, as it should
		}},
		{Name: "tls-hangs", TLS: true, Hangs: true, certificate: goodCertificate, serve: func(p *peer) { <-p.own.done }},
		{Name: "tls-breaks-off", TLS: true, certificate: goodCertificate, serve: func(p *peer) {
			_, _ = p.raw.Read(make([]byte, 1))
		}},
		{Name: "tls-plain-http", TLS: true, certificate: goodCertificate, serve: func(p *peer) {
			_, _ = p.raw.Read(make([]byte, 4<<10))
			_, _ = p.raw.Write([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
		}},
		{Name: "tls-garbage", TLS: true, certificate: goodCertificate, serve: func(p *peer) {
			_, _ = p.raw.Read(make([]byte, 4<<10))
			for junk := make([]byte, 4<<10); ; {
				if _, err := p.raw.Write(junk); err != nil {
					return
				}
			}
		}},
		{Name: "tls-garbage-after-request", TLS: true, certificate: goodCertificate, serve: func(p *peer) {
			if p.request() {
				_, _ = p.raw.Write([]byte("no record of TLS at all"))
			}
		}},
	}
}
