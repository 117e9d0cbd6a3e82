package netguard

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// ownRefresh is how long a list of the machine's addresses is believed.
const ownRefresh = 10 * time.Second

// ownAddrs remembers the addresses of the machine's interfaces.
type ownAddrs struct {
	list func() ([]net.Addr, error)

	mu    sync.Mutex
	until time.Time
	addrs map[netip.Addr]struct{}
	err   error
}

// judge returns why addr is refused, or an empty string. When the interfaces
// cannot be listed every address is: nobody can tell which are ours.
func (o *ownAddrs) judge(addr netip.Addr) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := time.Now(); now.After(o.until) {
		o.refresh()
		o.until = now.Add(ownRefresh)
	}
	if o.err != nil {
		return "cannot be told from our own addresses: the interfaces cannot be listed"
	}
	if _, ok := o.addrs[addr]; ok {
		return "is an address of this machine"
	}
	return ""
}

func (o *ownAddrs) refresh() {
	var list []net.Addr
	if list, o.err = o.list(); o.err != nil {
		return
	}
	o.addrs = make(map[netip.Addr]struct{}, len(list))
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			o.addrs[p.Addr().WithZone("").Unmap()] = struct{}{}
		} else if ip, err := netip.ParseAddr(a.String()); err == nil {
			o.addrs[ip.WithZone("").Unmap()] = struct{}{}
		}
	}
}
