package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Book is where the platform notes which leads do not count. An error means
// that the note may be lost; noting the same again changes nothing.
type Book interface {
	NotCounted(leadID, messageID string) error
}

// fileBook is a Book in a file of one JSON object a line, which is only ever
// appended to. A real platform has a table of leads.
type fileBook struct {
	mu    sync.Mutex
	file  *os.File
	known map[string]bool // the leads that do not count
}

// note is a line of the file.
type note struct {
	Lead    string    `json:"lead"`
	Counted bool      `json:"counted"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	Time    time.Time `json:"time"`
}

// openBook opens or creates the file, and reads what is noted there.
func openBook(path string) (*fileBook, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600) //nolint:gosec // the path is whoever's runs the example
	if err != nil {
		return nil, err
	}
	b := &fileBook{file: file, known: make(map[string]bool)}
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		var x note
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			return nil, errors.Join(fmt.Errorf("%s, line %d: %w", path, n, err), file.Close())
		}
		b.known[x.Lead] = true
	}
	if err := lines.Err(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return b, nil
}

// NotCounted implements Book. When it returns nil, the note is on the disk.
func (b *fileBook) NotCounted(leadID, messageID string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known[leadID] {
		return nil
	}
	line, err := json.Marshal(note{Lead: leadID, Reason: "the advertiser had it already", Message: messageID, Time: time.Now().UTC()})
	if err != nil {
		return err
	}
	if _, err := b.file.Write(append(line, '\n')); err != nil {
		return err
	}
	if err := b.file.Sync(); err != nil {
		return err
	}
	b.known[leadID] = true
	return nil
}

// Counts reports whether the platform is paid for a lead.
func (b *fileBook) Counts(leadID string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.known[leadID]
}

// Close closes the file.
func (b *fileBook) Close() error { return b.file.Close() }
