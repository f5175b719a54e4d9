#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh OUT BIN -- real Debezium events and made-up odd ones through sluicectl decode, compared with what
# they must come to (expected/). ACCEPT=1 writes expected/ anew, to be read before it is committed.
set -eu
out=$1/tests/golden
ctl=$2/sluicectl
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
done | "$ctl" decode > "$out/debezium.out"
ls tests/golden/debezium/*.json | sed 's,.*/,,' | grep -v '^index.json$' | paste -d' ' - "$out/debezium.out" > "$out/debezium.txt"
settle debezium
# A line is "name event"; the event may be empty (a tombstone) or broken.
for f in tests/golden/cases/*.txt; do
	name=$(basename "$f" .txt)
	sed '/^#/d' "$f" | cut -d' ' -f2- | "$ctl" decode > "$out/$name.out"
	sed '/^#/d' "$f" | cut -d' ' -f1 | paste -d' ' - "$out/$name.out" > "$out/$name.txt"
	settle "$name"
done
# The same through a pipeline's SQL, with catalogue and rows from files.
for f in tests/golden/try/*.txt; do
	name=$(basename "$f" .txt)
	sed '/^#/d' "$f" | cut -d' ' -f1 > "$out/$name.names"
	sed '/^#/d' "$f" | cut -d' ' -f2- > "$out/$name.in"
	"$ctl" try "pipelines/$name.yaml" --keys --catalog tests/golden/try/catalog.json \
		--dims "tests/golden/try/$name.json" < "$out/$name.in" > "$out/try.out"
	paste -d' ' "$out/$name.names" "$out/try.out" > "$out/try-$name.txt"
	settle "try-$name"
	"$ctl" decode --keys --pipeline "pipelines/$name.yaml" --catalog tests/golden/try/catalog.json \
		< "$out/$name.in" > "$out/decode.out"
	paste -d' ' "$out/$name.names" "$out/decode.out" > "$out/decode-$name.txt"
	settle "decode-$name"
done
# Expressions with the answers that a PostgreSQL 15 gave (tests/integration/test_oracle.py).
"$out/sqleval" tests/golden/sql/catalog.json < tests/golden/sql/requests.ndjson > "$out/sql.out"
if diff -u tests/golden/sql/answers.ndjson "$out/sql.out" | cut -c1-2000; cmp -s tests/golden/sql/answers.ndjson "$out/sql.out"; then
	echo "ok   golden/sql ($(wc -l < "$out/sql.out") expressions)"
else
	echo "FAIL golden/sql"; bad=1
fi
exit $bad
