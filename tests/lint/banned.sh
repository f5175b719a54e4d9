#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# banned.sh -- calls that have a safer sibling here.
set -eu
files=$(find lib cmd tests -name '*.[ch]')
bad=0
deny() { if grep -nE "(^|[^a-zA-Z0-9_])($1)[[:space:]]*\(" $files; then echo "  ^ banned: $2" >&2; bad=1; fi; }
deny 'strcpy|strcat|sprintf|vsprintf|gets|strncpy|strncat' 'snprintf or memcpy with a length'
deny 'atoi|atol|atoll|atof' 'slice_i64, strtoll or strtod with an end pointer'
deny 'strtok|asctime|ctime|gmtime|localtime' 'the _r variant'
deny 'system|popen|tmpnam|mktemp' 'posix_spawn, mkstemp'
exit $bad
