# Shared by run and full: the bookkeeping, and one function for each step.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.."

export CI=true GOWORK=off
# A fresh clone may belong to somebody else; then git refuses to tell go its state.
export GOFLAGS="${GOFLAGS:+$GOFLAGS }-buildvcs=false"
exec </dev/null

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
summary=() passed=0 failed=0 skipped=0

# step NAME COMMAND... runs one step to its end, whatever became of the steps
# before it. Tests that it counted are added up; a step that counts none is one
# check. The command runs under set -e, which a condition would switch off.
step() {
	local name=$1 start=$SECONDS rc=0 p=0 f=0 s=0 a b c
	shift
	printf '\n=== %s\n' "$name"
	: >"$scratch/counts"
	set +e
	(
		set -euo pipefail
		"$@"
	)
	rc=$?
	set -e
	while read -r a b c; do
		p=$((p + a)) f=$((f + b)) s=$((s + c))
	done <"$scratch/counts"
	if ((rc != 0 && f == 0)); then
		f=1
	elif ((rc == 0 && f > 0)); then
		rc=1
	elif ((p + f + s == 0)); then
		p=1
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	summary+=("$(printf '%-4s %5ds  %6d passed %4d failed  %s' \
		"$( ((rc == 0)) && echo ok || echo FAIL)" $((SECONDS - start)) "$p" "$f" "$name")")
}

# finish prints the summary and ends with the status of the whole run.
finish() {
	printf '\n=== summary\n'
	printf '%s\n' "${summary[@]}"
	printf '%4s %5ds  in all\n\n' '' "$SECONDS"
	if ((skipped > 0)); then
		printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
	else
		printf '%d passed, %d failed\n' "$passed" "$failed"
	fi
	((failed == 0))
}

# gotest DIR ARGS... runs go test in a module and counts what it ran.
gotest() {
	local dir=$1
	shift
	"$scratch/tally" -counts "$scratch/counts" -- go test -C "$dir" -json "$@"
}

# modules lists the directories of all modules, the root first.
modules() {
	git ls-files --cached -- go.mod '*/go.mod' | while read -r mod; do dirname "$mod"; done | sort
}

# nested_modules leaves out the root, and internal/tools, which holds no code.
nested_modules() { modules | grep -vxE '\.|internal/tools' || true; }

tool() { (cd internal/tools && go tool -n "$1"); }

# Steps.

prepare() {
	go version
	go build -o "$scratch/tally" ./internal/house/tally
	echo "tools of internal/tools:"
	tool golangci-lint
	tool gofumpt
}

# readme COMMAND prints the fenced line of README.md that begins with COMMAND,
# so that what is run here is what is written there.
readme() {
	[[ -f README.md ]] || {
		echo 'there is no README.md' >&2
		return 1
	}
	awk -v want="$1" '
		/^```/ { fenced = !fenced; next }
		fenced { sub(/^\$ /, ""); sub(/[ \t]+#.*$/, "") }
		fenced && index($0, want) == 1 { print; found = 1; exit }
		END { if (!found) { print "README.md has no fenced line that begins with: " want > "/dev/stderr"; exit 1 } }
	' README.md
}

readme_tests() {
	local line
	line=$(readme 'go test ')
	echo "$line"
	local words
	read -ra words <<<"$line"
	gotest . "${words[@]:2}"
}

readme_quickstart() {
	local line
	line=$(readme 'go run ./examples/quickstart')
	echo "$line"
	local words
	read -ra words <<<"$line"
	timeout 300 "${words[@]}"
}

format() {
	local gofumpt bad
	gofumpt=$(tool gofumpt)
	bad=$(git ls-files --cached -z -- '*.go' | xargs -0 "$gofumpt" -l -e)
	if [[ -n $bad ]]; then
		printf 'not formatted by gofumpt:\n%s\n' "$bad"
		return 1
	fi
}

# each_module COMMAND... goes through all modules that hold code, and fails at
# the end.
each_module() {
	local dir rc=0
	for dir in . $(nested_modules); do
		echo "--- $dir"
		"$@" "$dir" || rc=1
	done
	return $rc
}

vet() { go vet -C "$1" ./...; }

tidy() { go mod tidy -C "$1" -diff; }

tidy_all() {
	local rc=0
	each_module tidy || rc=1
	tidy internal/tools || rc=1
	return $rc
}

lint() { (cd "$1" && "$linter" run --config "$config" ./...); }

lint_all() {
	local linter config=$PWD/.golangci.yml
	linter=$(tool golangci-lint)
	each_module lint
}

# lint_awake plants violations in a module of the same name and wants each of
# them reported, and nothing else: a configuration can be silent for the wrong
# reason. A line `// want a b` names the linters that must speak on it.
lint_awake() {
	local dir=$scratch/planted linter
	linter=$(tool golangci-lint)
	mkdir "$dir"
	cp go.mod go.sum .golangci.yml "$dir"
	awk -v dir="$dir" '
		/^-- .* --$/ { file = dir "/" $2; path = file; sub(/\/[^\/]*$/, "", path); system("mkdir -p " path); next }
		file { print > file }
	' .ci/planted.txtar
	# A file one line too long, and a test that may be.
	local lines
	printf -v lines '// Line.%.0s\n' {1..397}
	printf 'package retry\n\n%s\nvar _ = 0 // want revive\n' "$lines" >"$dir/retry/long.go"
	printf 'package retry_test\n\n%s\nvar _ = 0\n' "$lines" >"$dir/retry/long_test.go"
	(cd "$dir" && find . -name '*.go' -printf '%P\n' | sort | while read -r f; do
		awk -v f="$f" 'match($0, /\/\/ want .*$/) {
			n = split(substr($0, RSTART + 8), names, " ")
			for (i = 1; i <= n; i++) print f ":" FNR " " names[i]
		}' "$f"
	done) | sort >"$scratch/want"
	(cd "$dir" && "$linter" run --show-stats=false --output.text.print-issued-lines=false \
		--output.text.colors=false ./... || (($? == 1))) >"$scratch/report"
	sed -nE 's/^([^:]+:[0-9]+):([0-9]+:)? .*\(([a-z0-9]+)\)$/\1 \3/p' "$scratch/report" | sort -u >"$scratch/got"
	if ! diff "$scratch/want" "$scratch/got"; then
		echo "< was planted and not reported; > was reported and not planted"
		cat "$scratch/report"
		return 1
	fi
	printf 'planted and found: %d, by %d linters\n' "$(wc -l <"$scratch/want")" \
		"$(cut -d' ' -f2 "$scratch/want" | sort -u | wc -l)"
}

race() { gotest . -race -count=1 -timeout=15m ./...; }

# other_json runs the tests that hold bytes under the JSON engine that is not
# this toolchain's own: v2 where encoding/json is v1 still, else v1.
other_json() {
	local -x GOEXPERIMENT=jsonv2
	if (unset GOEXPERIMENT && go list encoding/json/v2) >/dev/null 2>&1; then
		GOEXPERIMENT=nojsonv2
	fi
	echo "GOEXPERIMENT=$(go env GOEXPERIMENT)"
	gotest . -count=1 ./payload ./examples/...
}

# race_stores runs the conformance suite on the databases, with fewer deliveries
# in its large cases: SQLite, translated to Go, is slow under the detector.
race_stores() {
	gotest internal/sqltest -race -short -count=1 -timeout=15m -run='^TestConformance$' .
	gotest webhook/pgxstore -race -short -count=1 -timeout=15m -run='^TestConformance$' .
}

# guard_netns judges the address guard by what a server really saw, in a network
# namespace in which every address in the world is the machine's own. It needs
# root, iproute2, and a C compiler for the resolver of the C library.
guard_netns() {
	command -v ip >/dev/null || apt-get install -y iproute2 || {
		echo "missing: iproute2 (apt-get install iproute2)"
		return 1
	}
	local ns=outhook-$$ rc=0
	CGO_ENABLED=1 go build -o "$scratch/netns" ./internal/hostile/netns
	ip netns add "$ns" || {
		echo "missing: the right to make a network namespace (run as root)"
		return 1
	}
	{
		mkdir -p "/etc/netns/$ns" &&
			printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >"/etc/netns/$ns/resolv.conf" &&
			ip -n "$ns" link set lo up &&
			ip -n "$ns" address add 198.60.0.9/32 dev lo &&
			ip -n "$ns" route add local 0.0.0.0/0 dev lo &&
			ip -n "$ns" route add local ::/0 dev lo &&
			ip netns exec "$ns" "$scratch/netns"
	} || rc=1
	ip netns delete "$ns"
	rm -r "/etc/netns/$ns"
	return $rc
}

# fuzz_guard runs the fuzz targets of the guard longer than the others.
fuzz_guard() {
	local FUZZTIME=${FUZZTIME_GUARD:-10m} target rc=0
	for target in FuzzURL FuzzControl; do
		fuzz . "$PWD/internal/netguard" "$target" || rc=1
	done
	return $rc
}

# services wants both database servers to answer on loopback with a database
# called test, and starts one that does not run.
services() {
	local rc=0
	postgres_up || {
		echo "PostgreSQL does not answer; starting it"
		pg_ctlcluster --skip-systemctl-redirect "$(ls /etc/postgresql)" main start || true
		wait_for postgres_up || {
			echo "missing: PostgreSQL on 127.0.0.1:5432, user postgres without password, database test"
			rc=1
		}
	}
	mariadb_up || {
		echo "MariaDB does not answer; starting it"
		start-stop-daemon --start --oknodo --background --exec /usr/sbin/mariadbd || true
		wait_for mariadb_up || {
			echo "missing: MariaDB on 127.0.0.1:3306, user root without password, database test"
			rc=1
		}
	}
	return $rc
}

postgres_up() { psql -h 127.0.0.1 -U postgres -d test -Atqc 'select version()'; }

mariadb_up() { mariadb -h 127.0.0.1 -P 3306 -u root -D test -N -e 'select concat("MariaDB ", version())'; }

wait_for() {
	local i
	for ((i = 0; i < 60; i++)); do
		"$@" 2>/dev/null && return
		sleep 0.5
	done
	return 1
}

# foreign_parts installs what internal/foreign needs besides Go, where it is
# missing, and says what is missing still.
foreign_parts() {
	local rc=0
	foreign_debian >/dev/null 2>&1 || {
		echo 'installing from Debian: php-cgi ruby ruby-rack python3-{django,werkzeug,cryptography}'
		apt-get install -y php-cgi ruby ruby-rack python3-django python3-werkzeug python3-cryptography || true
	}
	foreign_debian || rc=1
	if node --version && npm --version >/dev/null; then
		npm ci --prefix internal/foreign/js --no-progress || {
			echo 'missing: the packages of internal/foreign/js/package-lock.json'
			rc=1
		}
	else
		echo 'missing: node 20 or later, with npm'
		rc=1
	fi
	return $rc
}

foreign_debian() {
	local rc=0
	php-cgi -v | head -n 1 || { echo 'missing: php-cgi' && rc=1; }
	ruby -rrack -e 'puts "Rack #{Rack.release}"' || { echo 'missing: ruby-rack' && rc=1; }
	/usr/bin/python3 -c 'import cryptography, django, werkzeug
print("Django", django.__version__, "Werkzeug", werkzeug.__version__, "cryptography", cryptography.__version__)' ||
		{ echo 'missing: python3-django python3-werkzeug python3-cryptography' && rc=1; }
	return $rc
}

# foreign_table prints which library or text accepted which scheme, and what
# it refused.
foreign_table() {
	go test -C internal/foreign -count=1 -run='^TestSignatures$' -v . >"$scratch/foreign" || {
		cat "$scratch/foreign"
		return 1
	}
	sed -n '/scheme  *checked by/,/^ *$/p' "$scratch/foreign"
}

# nested DIR runs the tests of a nested module; where these are benchmarks,
# their short form.
nested() {
	case $1 in
	internal/bench) gotest "$1" -short -count=1 ./... ;;
	*) gotest "$1" -count=1 -timeout=20m ./... ;;
	esac
}

# bench ARGS... DIR runs the benchmarks of a module and no tests.
bench() { go test -C "${*: -1}" -run='^$' -bench=. -benchmem "${@:1:$#-1}" ./...; }

# floors prints the ratios of a few scenarios to their floors, in the short form.
# They are never asserted: too much else may run on the machine.
floors() {
	(cd internal/bench && timeout 300 go run . -short -table - \
		-scenarios 'volatile/endpoints=1/|memory/endpoints=1/')
}

# fuzz_module DIR runs each fuzz target of a module for $FUZZTIME.
fuzz_module() {
	local dir=$1 pkg packages targets target rc=0
	packages=$(fuzz_packages "$dir") || return 1
	for pkg in $packages; do
		if ! targets=$(go test -C "$dir" -list='^Fuzz' "$pkg"); then
			printf '%s\n' "$targets"
			echo '0 1 0' >>"$scratch/counts"
			rc=1
			continue
		fi
		for target in $(grep '^Fuzz' <<<"$targets"); do
			fuzz "$dir" "$pkg" "$target" || rc=1
		done
	done
	return $rc
}

# fuzz_packages DIR lists the directories of packages with fuzz targets, so
# that only their tests are linked to be asked.
fuzz_packages() {
	go list -C "$1" -e -f '{{$d := .Dir}}{{range .TestGoFiles}}{{$d}}/{{.}}
{{end}}{{range .XTestGoFiles}}{{$d}}/{{.}}
{{end}}' ./... | { grep . || true; } | { xargs -r grep -l '^func Fuzz' || true; } | xargs -r -n1 dirname | sort -u
}

# fuzz DIR PKG TARGET. $FUZZTIME is a time, or a number of inputs (20000x). When
# a time ends while an input runs, the go command may call that a failure without
# an input to show (its own known fault); then, and only then, the target runs
# once more. A number of inputs has no such end.
fuzz() {
	local log=$scratch/fuzz.log try
	for try in 1 2; do
		if go test -C "$1" -run='^$' -fuzz="^$3\$" -fuzztime="$FUZZTIME" "$2" >"$log" 2>&1; then
			printf '%-28s %s %s\n' "$3" "${2#"$PWD/"}" "$(grep -o 'execs: [0-9]*' "$log" | tail -n 1)"
			echo '1 0 0' >>"$scratch/counts"
			return 0
		fi
		if ! grep -q 'context deadline exceeded' "$log" || grep -q 'Failing input written' "$log"; then
			break
		fi
	done
	cat "$log"
	echo '0 1 0' >>"$scratch/counts"
	return 1
}

# all_steps is what run does; full adds to it.
all_steps() {
	: "${FUZZTIME:=20000x}"
	step 'tools and tally' prepare
	step "README: go test" readme_tests
	step "README: quickstart" readme_quickstart
	step 'gofumpt' format
	step 'go vet, every module' each_module vet
	step 'go mod tidy -diff, every module' tidy_all
	step 'golangci-lint is awake' lint_awake
	step 'golangci-lint, every module' lint_all
	step 'race detector, root module' race
	step 'golden files under the other JSON engine' other_json
	step 'database servers' services
	step 'race detector, conformance on the databases' race_stores
	local dir
	for dir in $(nested_modules); do
		step "module $dir" nested "$dir"
	done
	step 'benchmarks, once each' each_module bench -benchtime=1x
	step 'benchmarks against the floor, short form' floors
	step "fuzz, $FUZZTIME each target" each_module fuzz_module
}
