/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of Redis' error prefixes (7.0) and the pure helpers. */
#include <stdio.h>
#include <stdlib.h>

#include "link/redis.h"
#include "link/redis_wire.h"

static const struct {
	const char *prefix;
	enum fate fate;
} table[] = {
	{ "LOADING", FATE_RETRY },    /* reads its file after a start */
	{ "BUSY", FATE_RETRY },       /* a script runs too long */
	{ "OOM", FATE_RETRY },        /* maxmemory: somebody must make room */
	{ "MISCONF", FATE_RETRY },    /* cannot write its snapshot: disk full */
	{ "READONLY", FATE_RETRY },   /* a replica: a failover is on its way */
	{ "MASTERDOWN", FATE_RETRY }, /* a replica without its master */
	{ "NOREPLICAS", FATE_RETRY }, /* min-replicas-to-write */
	{ "CLUSTERDOWN", FATE_RETRY }, { "TRYAGAIN", FATE_RETRY }, /* a slot is being moved */
	{ "NOSCRIPT", FATE_RETRY },                                /* redis_eval loads it */
	{ "NOTBUSY", FATE_RETRY }, { "UNKILLABLE", FATE_RETRY }, { "EXECABORT", FATE_RETRY },
	{ "NOMASTERLINK", FATE_RETRY },
	{ "MOVED", FATE_HALT }, /* a cluster's other node: name it in the url */
	{ "ASK", FATE_HALT }, { "CROSSSLOT", FATE_HALT }, /* keys without the common hash tag */
	{ "NOAUTH", FATE_HALT },                          /* a password is wanted */
	{ "WRONGPASS", FATE_HALT }, { "NOPERM", FATE_HALT },  /* ACL */
	{ "NOPROTO", FATE_HALT }, { "WRONGTYPE", FATE_HALT }, /* another program's key */
	{ "DENIED", FATE_HALT },                              /* protected mode */
	{ "ERR", FATE_HALT }, /* wrong command, script error: a bug here or an old server */
};

enum fate
redis_fate(struct slice prefix)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (slice_eq(prefix, slice_str(table[i].prefix)))
			return table[i].fate;
	return FATE_HALT;
}

struct slice
redis_info_field(struct slice info, const char *name)
{
	size_t name_len = strlen(name);
	for (size_t i = 0; i < info.len;) {
		const char *line = info.p + i, *end = memchr(line, '\n', info.len - i);
		size_t len = end ? (size_t)(end - line) : info.len - i;
		i += len + 1;
		if (len && line[len - 1] == '\r')
			len--;
		if (len > name_len && memcmp(line, name, name_len) == 0 &&
		    line[name_len] == ':')
			return slice_of(line + name_len + 1, len - name_len - 1);
	}
	return slice_of(NULL, 0);
}

/* Copies a part of a url, percent-decoded, terminated; false when it does not fit. */
static bool
part(char *out, size_t size, const char *p, size_t len)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		char c = p[i];
		if (c == '%' && len - i > 2) {
			char hex[3] = { p[i + 1], p[i + 2], 0 }, *end;
			c = (char)strtol(hex, &end, 16);
			if (*end || c == 0)
				return false;
			i += 2;
		}
		if (n == size - 1)
			return false;
		out[n++] = c;
	}
	out[n] = 0;
	return true;
}

static bool
number(const char *p, size_t len, int64_t min, int64_t max, int64_t *ret)
{
	return slice_i64(slice_of(p, len), ret) && *ret >= min && *ret <= max;
}

/* "user:password@", "user@" or ":password@"; the rest in *p. */
static bool
parse_user(const char **p, struct redis_address *a)
{
	size_t len = strcspn(*p, "/?");
	const char *at = memrchr(*p, '@', len);
	if (at == NULL)
		return true;
	const char *colon = memchr(*p, ':', (size_t)(at - *p));
	const char *user_end = colon ? colon : at;
	bool ok = part(a->user, sizeof a->user, *p, (size_t)(user_end - *p)) &&
		  (!colon || part(a->password, sizeof a->password, colon + 1,
				 (size_t)(at - colon - 1)));
	*p = at + 1;
	return ok;
}

/* "host", "host:port", "[::1]:port", then "/db". */
static bool
parse_host(const char *p, struct redis_address *a)
{
	size_t len = strcspn(p, "/?");
	int64_t port = 6379;
	const char *host = p, *end = p + len, *colon = memrchr(p, ':', len);
	if (len && p[0] == '[') {
		const char *close = memchr(p, ']', len);
		if (close == NULL)
			return false;
		host = p + 1;
		colon = close[1] == ':' ? close + 1 : NULL;
		if (!part(a->host, sizeof a->host, host, (size_t)(close - host)))
			return false;
	} else if (!part(
		       a->host, sizeof a->host, host, (size_t)((colon ? colon : end) - host))) {
		return false;
	}
	if (colon && !number(colon + 1, (size_t)(end - colon - 1), 1, 65535, &port))
		return false;
	a->port = (int)port;
	if (*end == '/' && end[1] && !number(end + 1, strlen(end + 1), 0, 1 << 20, &a->db))
		return false;
	return a->host[0] && *end != '?';
}

static bool
parse_path(const char *p, struct redis_address *a)
{
	size_t len = strcspn(p, "?");
	if (p[len] && strncmp(p + len, "?db=", 4) != 0)
		return false;
	if (p[len] && !number(p + len + 4, strlen(p + len + 4), 0, 1 << 20, &a->db))
		return false;
	return p[0] == '/' && part(a->path, sizeof a->path, p, len);
}

enum fate
redis_address_parse(const char *url, struct redis_address *ret_address, struct err *err)
{
	struct redis_address a = { 0 };
	const char *p = url;
	bool ok = false;
	if (strncmp(url, "rediss://", 9) == 0)
		return err_set(err, FATE_HALT,
		    "redis: rediss:// needs TLS, which this build of hiredis lacks");
	if (strncmp(url, "redis://", 8) == 0) {
		p += 8;
		ok = parse_user(&p, &a) && parse_host(p, &a);
	} else if (strncmp(url, "unix://", 7) == 0) {
		ok = parse_path(p + 7, &a);
	}
	if (!ok)
		return err_set(err, FATE_HALT,
		    "redis: the url is not redis://[user:password@]host[:port][/db] or "
		    "unix:///path[?db=N]");
	*ret_address = a;
	return FATE_DONE;
}
