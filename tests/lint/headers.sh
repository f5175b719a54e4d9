#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# headers.sh -- every header of ours compiles alone.
set -eu
bad=0
for h in $(find lib -name '*.h'); do
	printf '#include "%s"\n' "${h#lib/}" | ${CC:-cc} -std=c17 ${CPPFLAGS:--D_GNU_SOURCE -Ilib} -MF /dev/null -fsyntax-only -Wall -Werror -x c - || { echo "$h does not compile alone"; bad=1; }
done
exit $bad
