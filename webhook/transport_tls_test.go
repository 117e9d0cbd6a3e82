package webhook //nolint:testpackage // a Transport in use is not exported

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestTransportTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(echo))
	defer s.Close()
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	var unknown *tls.CertificateVerificationError
	if err := wantError(t, open(t, Transport{Name: "x", Private: loopback()}), s.URL); !errors.As(err, &unknown) {
		t.Errorf("RoundTrip = %v, want a certificate error", err)
	}
	old := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	old.Config.ErrorLog = s.Config.ErrorLog
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.StartTLS()
	defer old.Close()
	err := wantError(t, open(t, Transport{Name: "x", Private: loopback(), RootCAs: poolOf(old)}), old.URL)
	if !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("RoundTrip to TLS 1.1 = %v, want a version error", err)
	}
}

// certificate makes a client certificate with a name of its own.
func certificate(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestTransportClientCertificate rotates the certificate of a profile in use:
// open connections keep the one that they began with, new ones bring the new.
func TestTransportClientCertificate(t *testing.T) {
	for _, http1Only := range []bool{true, false} {
		t.Run(fmt.Sprintf("http1 only %t", http1Only), func(t *testing.T) {
			var name atomic.Value
			receiver := func() *httptest.Server {
				s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					name.Store(r.TLS.PeerCertificates[0].Subject.CommonName)
					if r.URL.Path == "/last" {
						w.Header().Set("Connection", "close")
					}
				}))
				s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
				s.EnableHTTP2 = true
				s.StartTLS()
				t.Cleanup(s.Close)
				return s
			}
			a, b := receiver(), receiver()
			var current atomic.Pointer[tls.Certificate]
			rt := open(t, Transport{
				Name: "x", Private: loopback(), RootCAs: poolOf(a), HTTP1Only: http1Only,
				ClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return current.Load(), nil },
			})
			current.Store(certificate(t, "first"))
			want := func(why, url, cert string) {
				t.Helper()
				mustSend(t, rt, url)
				if got := name.Load(); got != cert {
					t.Errorf("%s brought the certificate %v, want %s", why, got, cert)
				}
			}
			want("the first connection", a.URL, "first")
			current.Store(certificate(t, "renewed"))
			want("the same connection", a.URL+"/last", "first")
			want("a connection to another host", b.URL, "renewed")
			if http1Only { // on HTTP/2 the server lets go of the connection later
				want("the next connection", a.URL, "renewed")
			}
		})
	}
}
