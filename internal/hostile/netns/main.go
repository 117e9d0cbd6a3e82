// Command netns judges the address guard by what a server really saw. It runs
// in a network namespace in which every address is the machine's own:
//
//	ip -n NAME route add local 0.0.0.0/0 dev lo
//	ip -n NAME route add local ::/0 dev lo
//	ip netns exec NAME netns
//
// so that a request which the guard lets through always arrives, wherever it
// goes. Each row is sent by a process of its own, in four modes: as a delivery
// (full), past the rules for URLs (dial), with the resolver of the C library
// (cgo), and without any guard (free), which shows what the guard is good for.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// modes are the ways in which a row is sent.
func modes() []string { return []string{"full", "dial", "cgo", "free"} }

func main() {
	index := flag.Int("row", -1, "send this row and end")
	mode := flag.String("mode", "full", "how: full, dial, cgo or free")
	flag.Parse()
	if *index >= 0 {
		send(rows()[*index], nameOf(*index, *mode), *mode)
		return
	}
	wrong, err := judgeAll(context.Background(), os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if wrong > 0 {
		os.Exit(1)
	}
}

func nameOf(index int, mode string) string {
	return "r" + strconv.Itoa(index) + "." + mode + ".guard.test"
}

// judgeAll sends every row in every mode and says how many were wrong.
func judgeAll(ctx context.Context, out io.Writer) (wrong int, err error) {
	w, err := newWorld(ctx)
	if err != nil {
		return 0, err
	}
	defer w.close()
	list := rows()
	reached := make(map[string]int)
	inVain := 0 // rows that must not arrive, and do without a guard
	for i, r := range list {
		for _, mode := range modes() {
			w.begin(nameOf(i, mode), r.answers)
			said, err := process(ctx, i, mode, r.env)
			if err != nil {
				return 0, fmt.Errorf("row %q, mode %s: %w\n%s", r.name, mode, err, said)
			}
			seen, err := w.seen(ctx)
			if err != nil {
				return 0, err
			}
			if len(seen) > 0 {
				reached[mode]++
				if mode == "free" && !strings.ContainsAny(r.full, "0123456789") {
					inVain++
				}
			}
			if why := r.judge(mode, seen); why != "" {
				wrong++
				fmt.Fprintf(out, "WRONG %s %q: %s; %s\n", mode, r.name, why, said)
			}
		}
	}
	fmt.Fprintf(out, "%d rows, each in %d modes by a process of its own: %d wrong\n", len(list), len(modes()), wrong)
	fmt.Fprintf(out, "arrived: %d as deliveries, %d at the dial, %d by the C library's resolver, %d without a guard (%d of those must not)\n",
		reached["full"], reached["dial"], reached["cgo"], reached["free"], inVain)
	return wrong, nil
}

// process runs this program for one row.
func process(ctx context.Context, index int, mode string, env []string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "-row", strconv.Itoa(index), "-mode", mode) //nolint:gosec // it is this program
	cmd.Env = append(os.Environ(), env...)
	if mode == "cgo" {
		cmd.Env = append(cmd.Env, "GODEBUG=netdns=cgo")
	}
	said, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(said)), err
}

// judge says what is wrong with what the server saw, in order.
func (r row) judge(mode string, seen []netip.Addr) string {
	want := r.full
	if mode != "full" && r.dial != "" {
		want = r.dial
	}
	switch {
	case mode == "free", mode == "cgo" && !r.plain():
		return "" // the one is there to compare with, the other has no such policies
	case r.plain() && slices.ContainsFunc(seen, func(a netip.Addr) bool { return !isPublic(a) }):
		return fmt.Sprintf("the server saw %v, not all of them public", seen)
	case mode == "cgo":
		// The C library knows more spellings: all that counts is where it led.
		if len(seen) == 0 && strings.ContainsAny(want, "0123456789") {
			return "nothing arrived, want " + want
		}
		return ""
	}
	return compare(want, seen)
}

// compare holds what was seen, in order, to what each send was to reach.
func compare(want string, seen []netip.Addr) string {
	var expected []string
	for w := range strings.FieldsSeq(want) {
		if w != "-" {
			expected = append(expected, w)
		}
	}
	same := func(a netip.Addr, e string) bool { return slices.Contains(strings.Split(e, ","), a.String()) }
	if !slices.EqualFunc(seen, expected, same) {
		return fmt.Sprintf("the server saw %v, want %s", seen, want)
	}
	return ""
}

// plain reports whether the row has the default policy.
func (r row) plain() bool {
	return len(r.private)+len(r.deny)+len(r.nat64) == 0 && !r.own && !r.ipv4 && !r.opened
}

// isPublic is the predicate again, by other means than the guard's.
func isPublic(a netip.Addr) bool {
	a = a.Unmap()
	space := "2000::/3"
	special := "2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20"
	if a.Is4() {
		space = "0.0.0.0/0"
		special = `0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
			192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15
			198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4`
	}
	for p := range strings.FieldsSeq(special) {
		if netip.MustParsePrefix(p).Contains(a) {
			return false
		}
	}
	return a.Zone() == "" && netip.MustParsePrefix(space).Contains(a)
}

// answer is what the server says to every request. A connection is kept only
// where the row is about that.
func answer(w http.ResponseWriter, r *http.Request) {
	if !r.URL.Query().Has("keep") {
		w.Header().Set("Connection", "close")
	}
	if to := r.URL.Query().Get("to"); to != "" {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

func localAddr(c net.Conn) netip.Addr {
	ap, _ := netip.ParseAddrPort(c.LocalAddr().String())
	return ap.Addr().Unmap()
}
