package main

import (
	_ "embed"
	"net/netip"
	"strings"
)

// row is one URL, and what a server that has every address of the world may
// see of it.
type row struct {
	name string
	// url may hold {name}, which stands for a name of this row alone.
	url string
	// answers are what a name server says for that name, one answer after the
	// other, the addresses of one apart by spaces. The row sends as often.
	answers []string
	// The policy.
	private, deny, nat64 []string
	own, ipv4            bool
	env                  []string // of the process
	opened               bool     // an endpoint that may has just gone there
	// full and dial say what each send reaches, apart by spaces: one of the
	// addresses apart by commas, or "-" for none. full is a delivery, where
	// the rules for URLs hold, too; dial is the check at the dial alone, and
	// empty means that it is the same.
	full, dial string
}

// The addresses of package netguard's own table.
var (
	//go:embed refused.txt
	refused string
	//go:embed public.txt
	public string
)

func rows() []row {
	var list []row
	for a := range strings.FieldsSeq(refused) {
		list = append(list, row{name: "refused " + a, url: "http://" + literal(a) + ":8080/", full: "-"})
	}
	for a := range strings.FieldsSeq(public) {
		list = append(list, row{name: "public " + a, url: "http://" + literal(a) + ":8080/", full: netip.MustParseAddr(a).Unmap().String()})
	}
	list = append(list, spelled()...)
	list = append(list, named()...)
	return append(list, permitted()...)
}

func literal(addr string) string {
	if !strings.Contains(addr, ":") {
		return addr
	}
	return "[" + strings.Replace(addr, "%eth0", "%25lo", 1) + "]"
}

// spelled holds hosts and ports that some parsers read as something else.
func spelled() []row {
	var list []row
	for host := range strings.FieldsSeq(`
		127.1 127.0.1 0 0.0 0x0 1 127.1. 127.0.0.1. 2130706433 017700000001 0x7f000001 0x7f.0.0.1 0x7f.1 0177.0.0.1
		0177.1 127.0.0.01 127.0.0.0x1 0300.0250.1.1 3232235777 0xc0a80101 192.168.257 10.1 012.0.0.1 0xA9FEA9FE
		2852039166 0251.0376.0251.0376 169.254.43518 ::1 [::1 ::1] [127.0.0.1] [0:0:0:0:0:0:0:1] [::ffff:7f00:1]
		[::ffff:127.0.0.1%25lo] [::1%25lo] [fe80::1%25lo] [::%25lo] [] [::ffff:0x7f.1] localhost localhost. LOCALHOST
		localhost.localdomain ip6-localhost ip6-loopback 127.0.0.1%00 127.0.0.1%20 127.0.0.1%2e 127.0.0.1%09
		%31%32%37.0.0.1 １２７.0.0.1 127。0。0。1 ①②⑦.0.0.1 127.0.0.１ 127．0．0．1 loc%61lhost ʟocalhost 		user@127.0.0.1 8.8.8.8@127.0.0.1 8.8.8.8:80@127.0.0.1 127.0.0.1\@8.8.8.8 127.0.0.1#@8.8.8.8/ 127.0.0.1?@8.8.8.8/`) {
		list = append(list, row{name: "host " + host, url: "http://" + host + ":8080/", full: "-"})
	}
	for _, u := range []string{
		"http://loca\u00adlhost:8080/",
		"http://:80/", "http://:8080/", "http:///127.0.0.1:8080/", "http:127.0.0.1:8080/", "//127.0.0.1:8080/", "http://@:8080/",
		"http://127.0.0.1:08080/", "http://127.0.0.1:+8080/", "http://127.0.0.1:/", "HTTP://127.0.0.1:8080/",
		"gopher://127.0.0.1:8080/", "file:///etc/passwd", "unix:///run/docker.sock", "ftp://127.0.0.1:8080/",
		" http://127.0.0.1:8080/", "http://127.0.0.1:8080/\r\nX-Injected: 1", "http://127.0.0.1:8080\\@8.8.8.8/",
		"http://8.8.8.8:0/", "http://8.8.8.8:65536/", "http://8.8.8.8:73616/", "http://8.8.8.8:-8080/", "http://8.8.8.8:0x1f90/",
	} {
		list = append(list, row{name: "url " + u, url: u, full: "-"})
	}
	for port := range strings.FieldsSeq(badPorts) {
		list = append(list, row{name: "port " + port, url: "http://8.8.8.8:" + port + "/", full: "-"})
	}
	return append(list,
		row{name: "port 80", url: "http://8.8.8.8/", full: "8.8.8.8"},
		row{name: "upper case", url: "HTTP://8.8.8.8:8080/", full: "8.8.8.8"},
		row{name: "userinfo", url: "http://user@8.8.8.8:8080/", full: "-", dial: "8.8.8.8"},
		row{name: "fragment", url: "http://8.8.8.8:8080/#x", full: "-", dial: "8.8.8.8"},
		row{name: "final dot", url: "http://{name}.:8080/", answers: []string{"8.8.8.8"}, full: "-", dial: "8.8.8.8"},
		row{name: "mapped in hexadecimal", url: "http://[::ffff:808:808]:8080/", full: "8.8.8.8"},
		row{name: "octal of a public address", url: "http://010.8.8.8:8080/", full: "-"},
	)
}

// badPorts are some that belong to others, on which the server listens.
const badPorts = "1 22 25 53 110 143 465 587 993 2049 6000 6667 10080"

// named holds names whose answers are refused, mixed, or change.
func named() []row {
	var list []row
	add := func(full string, answers ...string) {
		list = append(list, row{name: "name to " + strings.Join(answers, ", then "), url: "http://{name}:8080/", answers: answers, full: full})
	}
	for a := range strings.FieldsSeq(`127.0.0.1 ::1 0.0.0.0 :: 169.254.169.254 192.168.1.1 10.0.0.1 172.16.0.1 100.64.0.1 fd00:ec2::254
		::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 2002:7f00:1::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 64:ff9b::7f00:1
		64:ff9b::808:808 fe80::1 168.63.129.16 198.18.0.1 192.0.0.192 ff02::1`) {
		add("-", a)
	}
	add("8.8.8.8", "8.8.8.8")
	add("2606:4700::1", "2606:4700::1")
	add("8.8.8.8", "::ffff:8.8.8.8")
	add("8.8.8.8,9.9.9.9", "8.8.8.8 9.9.9.9")
	add("8.8.8.8,2606:4700::1", "8.8.8.8 2606:4700::1")
	add("-", "10.0.0.1 192.168.0.1 ::1")
	add("8.8.8.8", "10.0.0.1 8.8.8.8")
	add("8.8.8.8", "8.8.8.8 10.0.0.1")
	add("8.8.8.8,9.9.9.9", "8.8.8.8 10.0.0.1 9.9.9.9")
	add("8.8.8.8", "8.8.8.8 ::1")
	add("2606:4700::1", "10.0.0.1 2606:4700::1")
	add("8.8.8.8", "169.254.169.254 8.8.8.8 fd00:ec2::254")
	add("8.8.8.8", "8.8.8.8 64:ff9b::808:808")
	add("8.8.8.8 -", "8.8.8.8", "127.0.0.1")
	add("8.8.8.8 - 9.9.9.9", "8.8.8.8", "127.0.0.1", "9.9.9.9")
	add("- 8.8.8.8", "127.0.0.1", "8.8.8.8")
	add("8.8.8.8 8.8.8.8 -", "8.8.8.8", "8.8.8.8", "169.254.169.254")
	add("8.8.8.8 -", "8.8.8.8", "::1")
	add("2606:4700::1 -", "2606:4700::1", "::ffff:10.0.0.1")
	add("8.8.8.8 9.9.9.9", "8.8.8.8", "127.0.0.1 9.9.9.9")
	add("8.8.8.8 -", "127.0.0.1 8.8.8.8", "127.0.0.1")
	add("- 8.8.8.8 - 2606:4700::1 -", "10.0.0.1", "8.8.8.8", "::1", "2606:4700::1", "0.0.0.0")
	return list
}

// permitted holds what the host's own code opens or refuses, and the ways by
// which a request may be led elsewhere.
func permitted() []row {
	const name = "http://{name}:8080/"
	return []row{
		{name: "private opened", url: "http://10.20.0.1:8080/", private: []string{"10.20.0.0/16"}, full: "10.20.0.1"},
		{name: "beside the private opened", url: "http://10.21.0.1:8080/", private: []string{"10.20.0.0/16"}, full: "-"},
		{name: "private opened by name", url: name, answers: []string{"10.20.0.1 169.254.169.254"}, private: []string{"10.20.0.0/16"}, full: "10.20.0.1"},
		{name: "loopback opened", url: "http://localhost:8080/", private: []string{"127.0.0.0/8"}, full: "127.0.0.1"},
		{name: "mapped loopback opened", url: "http://[::ffff:127.0.0.1]:8080/", private: []string{"127.0.0.0/8"}, full: "127.0.0.1"},
		{name: "all of IPv6 opens no IPv4", url: "http://[::ffff:127.0.0.1]:8080/", private: []string{"::/0"}, full: "-"},
		{name: "public denied", url: "http://8.8.8.8:8080/", deny: []string{"8.8.8.0/24"}, full: "-"},
		{name: "public denied, mapped", url: "http://[::ffff:8.8.8.8]:8080/", deny: []string{"8.8.8.0/24"}, full: "-"},
		{name: "denied wins over opened", url: "http://10.20.0.1:8080/", private: []string{"10.0.0.0/8"}, deny: []string{"10.20.0.0/16"}, full: "-"},
		{name: "rebinding into the denied", url: name, answers: []string{"9.9.9.9", "8.8.8.8"}, deny: []string{"8.8.8.0/24"}, full: "9.9.9.9 -"},
		{name: "NAT64", url: "http://[64:ff9b::808:808]:8080/", nat64: []string{"64:ff9b::/96"}, full: "64:ff9b::808:808"},
		{name: "NAT64 of loopback", url: "http://[64:ff9b::7f00:1]:8080/", nat64: []string{"64:ff9b::/96"}, full: "-"},
		{name: "NAT64 of metadata by name", url: name, answers: []string{"64:ff9b::a9fe:a9fe"}, nat64: []string{"64:ff9b::/96"}, full: "-"},
		{name: "own address", url: "http://" + ownAddress + ":8080/", own: true, full: "-"},
		{name: "own address by name", url: name, answers: []string{ownAddress}, own: true, full: "-"},
		{name: "own address, not asked", url: "http://" + ownAddress + ":8080/", full: ownAddress},
		{name: "not an own address", url: "http://8.8.8.8:8080/", own: true, full: "8.8.8.8"},
		{name: "IPv4 only", url: name, answers: []string{"8.8.8.8 2606:4700::1"}, ipv4: true, full: "8.8.8.8"},
		{name: "IPv4 only, IPv6 literal", url: "http://[2606:4700::1]:8080/", ipv4: true, full: "-"},
		{name: "proxy in the environment", url: "http://8.8.8.8:8080/", env: proxies(), full: "8.8.8.8"},
		{name: "proxy in the environment, metadata", url: "http://169.254.169.254:8080/", env: proxies(), full: "-"},
		{name: "redirect to loopback", url: "http://8.8.8.8:8080/?to=http://127.0.0.1:8080/", full: "8.8.8.8"},
		{name: "redirect to metadata", url: "http://8.8.8.8:8080/?to=http://169.254.169.254:8080/", full: "8.8.8.8"},
		{name: "redirect to no host", url: "http://8.8.8.8:8080/?to=http://:8080/", full: "8.8.8.8"},
		{name: "redirect to itself", url: "http://8.8.8.8:8080/?to=/again", full: "8.8.8.8"},
		{name: "over the connection of one who may", url: "http://127.0.0.1:8080/?keep", opened: true, full: "127.0.0.1 -"},
		{name: "over the connection of one who may, by name", url: "http://localhost:8080/?keep", opened: true, full: "127.0.0.1 -"},
	}
}

// ownAddress is public, and on an interface of the namespace.
const ownAddress = "198.60.0.9"

func proxies() []string {
	return []string{"HTTP_PROXY=http://127.0.0.1:8080", "http_proxy=http://127.0.0.1:8080", "ALL_PROXY=http://127.0.0.1:8080", "HTTPS_PROXY=http://127.0.0.1:8080"}
}
