#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh OUT -- real Debezium events and made-up odd ones through lib/wire, compared with what
# they must come to (expected/). ACCEPT=1 writes expected/ anew, to be read before it is committed.
set -eu
out=$1/tests/golden
cd "$(dirname "$0")/../.."
bad=0
settle() { # NAME
	if [ -n "${ACCEPT:-}" ]; then cp "$out/$1.txt" "tests/golden/expected/$1.txt"; fi
	if diff -u "tests/golden/expected/$1.txt" "$out/$1.txt"; then
		echo "ok   golden/$1 ($(wc -l < "$out/$1.txt") events)"
	else
		echo "FAIL golden/$1"; bad=1
	fi
}
# A file is one event, perhaps over many lines; a JSON string holds no line end.
for f in tests/golden/debezium/*.json; do
	case $f in */index.json) continue ;; esac
	tr -d '\n\r' < "$f"; echo
done | "$out/decode" > "$out/debezium.out"
ls tests/golden/debezium/*.json | sed 's,.*/,,' | grep -v '^index.json$' | paste -d' ' - "$out/debezium.out" > "$out/debezium.txt"
settle debezium
# A line is "name event"; the event may be empty (a tombstone) or broken.
for f in tests/golden/cases/*.txt; do
	name=$(basename "$f" .txt)
	sed '/^#/d' "$f" | cut -d' ' -f2- | "$out/decode" > "$out/$name.out"
	sed '/^#/d' "$f" | cut -d' ' -f1 | paste -d' ' - "$out/$name.out" > "$out/$name.txt"
	settle "$name"
done
# Expressions with the answers that a PostgreSQL 15 gave (tests/integration/test_oracle.py).
"$out/sqleval" tests/golden/sql/catalog.json < tests/golden/sql/requests.ndjson > "$out/sql.out"
if diff -u tests/golden/sql/answers.ndjson "$out/sql.out" | cut -c1-2000; cmp -s tests/golden/sql/answers.ndjson "$out/sql.out"; then
	echo "ok   golden/sql ($(wc -l < "$out/sql.out") expressions)"
else
	echo "FAIL golden/sql"; bad=1
fi
exit $bad
