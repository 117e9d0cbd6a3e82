package memstore

import "github.com/outhook/outhook/webhook"

var _ webhook.Immediate = (*Store)(nil)

// Immediate says that no call waits for anything but a short lock.
func (*Store) Immediate() {}
