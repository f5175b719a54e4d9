#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# spdx.sh -- an SPDX line near the top of every source, script, SQL and YAML file.
set -eu
bad=0
for f in $(git ls-files | grep -E '(\.(c|h|sh|sql|ya?ml|py|mk|mjs|service|lua|css|js|html)|Makefile|Dockerfile)$' | grep -v '^tests/golden/.*json'); do
	[ -f "$f" ] || continue
	head -5 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || { echo "$f: no SPDX line"; bad=1; }
done
exit $bad
