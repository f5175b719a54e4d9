#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# floors.sh -- a file may include its own floor or a lower one, never a higher.
set -eu
awk '
BEGIN { n = split("base wire sql link sink work ctl router cmd", f, " "); for (i = 1; i <= n; i++) floor[f[i]] = i
        floor["engine"] = floor["sink"]; floor["demo"] = floor["ctl"] }
function room(path,  p) { split(path, p, "/"); return p[1] == "lib" ? p[2] : p[1] }
/^#include "/ {
	split($2, q, "\""); to = q[2]; sub(/\/.*/, "", to)
	from = room(FILENAME)
	if (to in floor && floor[to] > floor[from]) { bad = 1
		printf "%s:%d: %s (floor %d) reaches up to %s (floor %d)\n", FILENAME, FNR, from, floor[from], to, floor[to] }
	if (to != from && to in floor && floor[to] == floor[from]) { bad = 1
		printf "%s:%d: %s and %s are neighbours, they do not visit\n", FILENAME, FNR, from, to }
}
END { exit bad }' $(find lib cmd -name '*.[ch]')
