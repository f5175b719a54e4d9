#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh -- every lint, each a line; CC and CPPFLAGS come from the Makefile.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0
say() { if [ "$2" -eq 0 ]; then echo "ok   lint/$1"; else echo "FAIL lint/$1"; bad=1; fi; }
for l in floors foreign banned spdx headers format; do
	sh "tests/lint/$l.sh"
	say "$l" $?
done
exit $bad
