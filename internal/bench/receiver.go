package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"
)

// greeting is the first line that a receiver prints.
type greeting struct {
	Plain string `json:"plain"` // host:port
	TLS   string `json:"tls"`
	Cert  string `json:"cert"` // PEM
}

// got is what a receiver counted since it was last asked.
type got struct {
	Requests int64 `json:"requests"`
	Bytes    int64 `json:"bytes"`
	HTTP2    int64 `json:"http2"`
}

// counter answers 200 and counts. Paths below /answer/ get 1 KiB back; those
// below /hang/ get none until the sender gives up, those below /fail/ get a 500,
// and neither is counted.
type counter struct{ requests, bytes, http2 atomic.Int64 }

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	switch {
	case strings.HasPrefix(r.URL.Path, "/hang/"):
		<-r.Context().Done()
		return
	case strings.HasPrefix(r.URL.Path, "/fail/"):
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	c.requests.Add(1)
	c.bytes.Add(n)
	if r.ProtoMajor == 2 {
		c.http2.Add(1)
	}
	if strings.HasPrefix(r.URL.Path, "/answer/") {
		_, _ = w.Write(make([]byte, 1024)) // the sender may have gone
	}
}

func (c *counter) take() got {
	return got{Requests: c.requests.Swap(0), Bytes: c.bytes.Swap(0), HTTP2: c.http2.Swap(0)}
}

// receive serves until in ends. Each line of in is answered by what was
// counted since the one before.
func receive(ctx context.Context, in io.Reader, out io.Writer) error {
	cert, text, err := selfSigned()
	if err != nil {
		return err
	}
	var listen net.ListenConfig
	plain, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	secure, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	c := &counter{}
	// Two servers: of one that serves both, net/http sets up HTTP/2 only if TLS
	// comes first.
	inClear := &http.Server{Handler: c, ReadHeaderTimeout: 30 * time.Second}
	defer func() { _ = inClear.Close() }() // it serves nobody any more
	overTLS := &http.Server{
		Handler: c, ReadHeaderTimeout: 30 * time.Second,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
	}
	defer func() { _ = overTLS.Close() }()
	failed := make(chan error, 2)
	go func() { failed <- inClear.Serve(plain) }()
	go func() { failed <- overTLS.ServeTLS(secure, "", "") }()
	enc := json.NewEncoder(out)
	if err := enc.Encode(greeting{Plain: plain.Addr().String(), TLS: secure.Addr().String(), Cert: text}); err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		select {
		case err := <-failed:
			return fmt.Errorf("serve: %w", err)
		default:
		}
		if err := enc.Encode(c.take()); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
	return nil
}

func selfSigned() (tls.Certificate, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("key: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "receiver"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("certificate: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(text), nil
}

// receiver is the other process, as its parent sees it.
type receiver struct {
	greeting
	roots *x509.CertPool
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
}

// startReceiver runs this program again, with -receiver.
func startReceiver(ctx context.Context) (*receiver, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("receiver: %w", err)
	}
	r := &receiver{cmd: exec.CommandContext(ctx, self, "-receiver"), roots: x509.NewCertPool()}
	r.cmd.Stderr = os.Stderr
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("receiver: %w", err)
	}
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("receiver: %w", err)
	}
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("receiver: %w", err)
	}
	r.out = bufio.NewReader(out)
	if err := r.line(&r.greeting); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	if !r.roots.AppendCertsFromPEM([]byte(r.Cert)) {
		return nil, errors.Join(errors.New("receiver: no certificate"), r.stop())
	}
	return r, nil
}

func (r *receiver) line(into any) error {
	text, err := r.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("receiver: %w", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("receiver: %w", err)
	}
	return nil
}

// take returns what the receiver counted since it was last asked.
func (r *receiver) take() (got, error) {
	if _, err := io.WriteString(r.in, "take\n"); err != nil {
		return got{}, fmt.Errorf("receiver: %w", err)
	}
	var g got
	err := r.line(&g)
	return g, err
}

// stop ends the process.
func (r *receiver) stop() error {
	err := r.in.Close()
	return errors.Join(err, r.cmd.Wait())
}
