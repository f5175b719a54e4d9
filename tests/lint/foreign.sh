#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# foreign.sh -- which room may see which foreign header: link/ all of them, the others those that stand
# here. What is not of C, POSIX or Linux is foreign, so a new library is refused until it is named.
set -eu
awk '
BEGIN {
	n = split("assert arpa/inet ctype dirent dlfcn emmintrin endian errno fcntl float inttypes libgen limits malloc math netdb netinet/in netinet/tcp poll pthread sched signal stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib string strings sys/epoll sys/eventfd sys/mman sys/random sys/resource sys/signalfd sys/socket sys/stat sys/time sys/types sys/uio sys/un sys/wait time unistd", s, " ")
	for (i = 1; i <= n; i++) system_h[s[i] ".h"] = 1
	m = split("sql:pg_query sql:gmp sql:jansson wire:lz4frame wire:zstd wire:gmp wire:openssl/evp wire:openssl/hmac wire:openssl/crypto work:jansson ctl:jansson router:jansson engine:jansson sink:jansson work:systemd/sd-daemon router:systemd/sd-daemon", a, " ")
	for (i = 1; i <= m; i++) allow[a[i] ".h"] = 1
}
/^[ \t]*#[ \t]*include[ \t]*</ {
	h = $0; gsub(/^[^<]*<|>.*$/, "", h)
	n = split(FILENAME, q, "/"); room = q[1] == "lib" ? q[2] : q[1]
	if (!(h in system_h) && room != "link" && !((room ":" h) in allow)) { bad = 1
		printf "%s:%d: room %s may not include <%s>\n", FILENAME, FNR, room, h }
}
END { exit bad }' $(find lib cmd -name '*.[ch]')
