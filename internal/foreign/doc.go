// Package foreign reads what outhook sends by code that nobody here wrote:
// form and JSON bodies by the receivers of other languages, signatures by the
// vendors' own verification libraries, the catalog's schemas by validators.
// It has tests alone.
//
// What is written in Go runs always. OUTHOOK_FULL=1 adds the rest, and fails
// where something is missing: php-cgi, ruby with Rack, /usr/bin/python3 with
// Django, Werkzeug and cryptography, and node with the packages that
// "npm ci --prefix js" installs.
package foreign
