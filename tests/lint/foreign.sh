#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# foreign.sh -- which room may see which foreign header. link/ sees all of them.
set -eu
awk '
BEGIN {
	n = split("librdkafka/rdkafka.h libpq-fe.h curl/curl.h hiredis/hiredis.h yaml.h microhttpd.h jansson.h lz4frame.h lz4.h zstd.h gmp.h openssl/evp.h openssl/hmac.h openssl/sha.h openssl/crypto.h openssl/ssl.h systemd/sd-daemon.h pg_query.h", f, " ")
	for (i = 1; i <= n; i++) foreign[f[i]] = 1
	m = split("sql:pg_query.h sql:gmp.h sql:jansson.h wire:lz4frame.h wire:lz4.h wire:zstd.h wire:gmp.h wire:openssl/evp.h wire:openssl/hmac.h wire:openssl/crypto.h work:jansson.h router:jansson.h engine:jansson.h sink:jansson.h work:systemd/sd-daemon.h router:systemd/sd-daemon.h", a, " ")
	for (i = 1; i <= m; i++) allow[a[i]] = 1
}
/^#include </ {
	h = $2; gsub(/[<>]/, "", h)
	n = split(FILENAME, q, "/"); room = q[1] == "lib" ? q[2] : q[1]
	if (h in foreign && room != "link" && !((room ":" h) in allow)) { bad = 1
		printf "%s:%d: room %s may not include <%s>\n", FILENAME, FNR, room, h }
}
END { exit bad }' $(find lib cmd -name '*.[ch]')
