#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# install.sh -- what `stack install` runs: fetch what this machine lacks, and nothing twice.
# Debian packages come by apt (with sudo when not root), the rest goes into build/deps. A part is
# put in place by one rename, so that an interrupted install leaves nothing half done.
set -euo pipefail
cd "$(dirname "$0")/../.."
deps=build/deps
log=build/stack/install.log
debezium=io.debezium:debezium-connector-postgres:3.3.1.Final:tar.gz:plugin
copy=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
chdb=@chdb/lib-linux-x64-gnu@26.7.3-stable.1
duckdb=@duckdb/node-bindings-linux-x64@1.5.6-r.1
jsclient=@clickhouse/client@1.23.1
axe=axe-core@4.14.1
mkdir -p "$deps" "$(dirname "$log")"

die() {
	echo "stack install: $*" >&2
	exit 1
}

# part NAME FUNCTION: run it with its output in the log, and say how long it took.
part() {
	local began=$EPOCHREALTIME rc
	printf '%-12s installing ... ' "$1"
	set +e # not in an if: there bash would ignore the -e of the subshell too
	(set -e; "$2") >>"$log" 2>&1 </dev/null
	rc=$?
	set -e
	if [[ $rc -ne 0 ]]; then
		echo failed
		tail -n 15 "$log" >&2
		die "$1 was not installed; the whole log is $log"
	fi
	awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "done in %.1f s\n", b - a }'
}

# here NAME: it is there already.
here() { printf '%-12s present\n' "$1"; }

missing_packages() {
	local package command
	while read -r package command; do
		[[ -z $package || $package == \#* ]] && continue
		[[ -n $command ]] && command -v "$command" >/dev/null && continue
		dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
			echo "$package"
	done <tests/stack/packages
}

packages() {
	local as=()
	if [[ $EUID -ne 0 ]]; then as=(sudo); fi
	"${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q
	# shellcheck disable=SC2086 # a list of words
	"${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
}

kafka() {
	rm -rf "$deps/kafka.new"
	mvn -B -q -f tests/stack/pom.xml "$copy:copy-dependencies" \
		-DoutputDirectory="$PWD/$deps/kafka.new"
	mv "$deps/kafka.new" "$deps/kafka"
}

debezium() {
	rm -rf "$deps/debezium.new"
	mvn -B -q "$copy:copy" -Dartifact="$debezium" -DoutputDirectory="$PWD/$deps/debezium.new"
	tar xzf "$deps"/debezium.new/*.tar.gz -C "$deps/debezium.new"
	rm "$deps"/debezium.new/*.tar.gz
	mv "$deps/debezium.new" "$deps/debezium"
}

chdb() {
	local new=$deps/chdb.new
	rm -rf "$new" && mkdir "$new"
	(cd "$new" && npm pack --silent "$chdb" >/dev/null && tar xzf ./*.tgz)
	mkdir "$new/out"
	mv "$(find "$new/package" -name libchdb.so)" "$new/out/"
	mv "$new/out" "$deps/chdb"
	rm -rf "$new"
}

duckdb() {
	local new=$deps/duckdb.new
	rm -rf "$new" && mkdir "$new"
	(cd "$new" && npm pack --silent "$duckdb" >/dev/null && tar xzf ./*.tgz)
	mkdir "$new/out"
	mv "$new"/package/{libduckdb.so,LICENSE} "$new/out/"
	mv "$new/out" "$deps/duckdb"
	rm -rf "$new"
}

node_client() {
	rm -rf "$deps/node.new" && mkdir "$deps/node.new"
	npm install --silent --no-audit --no-fund --prefix "$PWD/$deps/node.new" "$jsclient" "$axe"
	rm -rf "$deps/node"
	mv "$deps/node.new" "$deps/node"
}

venv() {
	[[ -x $deps/venv/bin/pip ]] || python3 -m venv "$deps/venv"
	"$deps/venv/bin/pip" install -q --disable-pip-version-check -r tests/requirements.txt
	cp tests/requirements.txt "$deps/venv/installed.txt"
}

exec 9>"$deps/.lock"
flock 9
: >"$log"
command -v apt-get >/dev/null || die "apt-get is not here; on another system install what tests/stack/packages lists"
missing=$(missing_packages | xargs)
if [[ -n $missing ]]; then
	if [[ $EUID -ne 0 ]] && ! command -v sudo >/dev/null; then
		die "neither root nor sudo; as root: apt-get install $missing"
	fi
	echo "packages     missing: $missing"
	part packages packages
else
	here packages
fi
if [[ -d $deps/kafka ]]; then here kafka; else part kafka kafka; fi
if [[ -d $deps/debezium ]]; then here debezium; else part debezium debezium; fi
if [[ -f $deps/chdb/libchdb.so ]]; then here chdb; else part chdb chdb; fi
if [[ -f $deps/duckdb/libduckdb.so ]]; then here duckdb; else part duckdb duckdb; fi
if [[ -d $deps/node/node_modules/@clickhouse/client && -d $deps/node/node_modules/axe-core ]]; then here node; else part node node_client; fi
if cmp -s tests/requirements.txt "$deps/venv/installed.txt"; then here venv; else part venv venv; fi
