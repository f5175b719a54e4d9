/* SPDX-License-Identifier: Apache-2.0 */
#include "router/key.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/must.h"

#define TRY(call)                                                                              \
	do {                                                                                   \
		enum fate try_fate = (call);                                                   \
		if (try_fate != FATE_DONE)                                                     \
			return try_fate;                                                       \
	} while (0)

enum { BUCKETS = 1024 };

struct router_keys {
	const struct registry *registry;
	struct principal *all, *anonymous; /* all: newest first, revoked ones too */
	struct principal *buckets[BUCKETS];
	size_t count;
};

/* One line of the file, before anything is changed. */
struct line {
	const char *name;
	const struct registry_role *role;
	struct registry_limits limits;
	struct digest digest;
};

static enum fate
read_line(const struct registry *r, struct yaml_node *map, const char *name, struct line *ret,
    struct err *err)
{
	const char *hash, *role;
	struct yaml_node *limits = NULL;

	*ret = (struct line){ .name = name, .limits = r->server.limits };
	TRY(yaml_text(map, "hash", YAML_REQUIRED, &hash, err));
	TRY(yaml_text(map, "role", YAML_REQUIRED, &role, err));
	TRY(yaml_map(map, "limits", YAML_OPTIONAL, &limits, err));
	if (limits)
		TRY(registry_read_limits(&ret->limits, limits, err));
	if (!digest_parse(slice_str(hash), &ret->digest))
		return yaml_error(yaml_get(map, "hash"), err,
		    "a hash is 64 hexadecimal digits (sluicectl key new)");
	ret->role = registry_role(r, role);
	if (!ret->role)
		return yaml_error(
		    yaml_get(map, "role"), err, "no role %s in %s", role, r->file);
	return FATE_DONE;
}

static struct principal *
principal_named(struct router_keys *keys, const char *name)
{
	struct principal *p = keys->all;

	while (p && (p->anonymous || strcmp(p->name, name) != 0))
		p = p->next;
	if (p)
		return p;
	p = calloc(1, sizeof *p);
	must(p);
	p->name = strdup(name);
	must(p->name);
	p->next = keys->all;
	keys->all = p;
	return p;
}

static size_t
bucket_of(const struct digest *d)
{
	return (size_t)(d->bytes[0] | d->bytes[1] << 8) % BUCKETS;
}

static void
take(struct router_keys *keys, const struct line *lines, size_t count)
{
	for (struct principal *p = keys->all; p; p = p->next)
		p->revoked = !p->anonymous;
	for (size_t i = 0; i < count; i++) {
		struct principal *p = principal_named(keys, lines[i].name);

		p->role = lines[i].role;
		p->limits = lines[i].limits;
		p->digest = lines[i].digest;
		p->revoked = false;
	}
	keys->count = count;
}

static int
by_digest(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	return memcmp(x->digest.bytes, y->digest.bytes, DIGEST_LEN);
}

/* One key is one caller, else who it is would depend on the order in the file. */
static enum fate
check_apart(struct yaml_node *map, struct line *lines, size_t count, struct err *err)
{
	qsort(lines, count, sizeof *lines, by_digest);
	for (size_t i = 1; i < count; i++) {
		if (by_digest(&lines[i - 1], &lines[i]) == 0)
			return yaml_error(map, err, "%s and %s have the same hash",
			    lines[i - 1].name, lines[i].name);
	}
	return FATE_DONE;
}

static enum fate
read_keys(struct router_keys *keys, struct yaml *yaml, struct err *err)
{
	struct yaml_node *root = yaml_root(yaml), *map = NULL, *key;
	struct line *lines;
	enum fate fate = FATE_DONE;

	TRY(yaml_map(root, "keys", YAML_OPTIONAL, &map, err));
	if (map && map->count > KEYS_MAX)
		return yaml_error(map, err, "more than %d keys", KEYS_MAX);
	lines = calloc(map ? map->count + 1 : 1, sizeof *lines);
	must(lines);
	for (size_t i = 0; map && i < map->count && fate == FATE_DONE; i++) {
		fate = yaml_map(map, map->keys[i], YAML_REQUIRED, &key, err);
		if (fate == FATE_DONE)
			fate = read_line(keys->registry, key, map->keys[i], &lines[i], err);
	}
	if (fate == FATE_DONE && map)
		fate = check_apart(map, lines, map->count, err);
	if (fate == FATE_DONE)
		fate = yaml_check_all_read(root, err);
	if (fate == FATE_DONE)
		take(keys, lines, map ? map->count : 0);
	free(lines);
	return fate;
}

/* Where each key is looked for. */
static void
place(struct router_keys *keys)
{
	memset(keys->buckets, 0, sizeof keys->buckets);
	for (struct principal *p = keys->all; p; p = p->next) {
		if (p->anonymous || p->revoked)
			continue;
		p->next_key = keys->buckets[bucket_of(&p->digest)];
		keys->buckets[bucket_of(&p->digest)] = p;
	}
}

enum fate
router_keys_again(struct router_keys *keys, struct err *err)
{
	const char *file = keys->registry->server.keys_file;
	struct yaml *yaml;
	enum fate fate;

	if (!file)
		return FATE_DONE;
	TRY(yaml_open(file, &yaml, err));
	fate = read_keys(keys, yaml, err);
	yaml_close(yaml);
	if (fate == FATE_DONE)
		place(keys);
	return fate;
}

enum fate
router_keys_open(
    const struct registry *registry, struct router_keys **ret_keys, struct err *err)
{
	struct router_keys *keys = calloc(1, sizeof *keys);
	const char *role = registry->server.anonymous;
	enum fate fate;

	must(keys);
	keys->registry = registry;
	if (role) {
		struct principal *p = principal_named(keys, "anonymous");

		p->anonymous = true;
		p->role = registry_role(registry, role);
		p->limits = registry->server.limits;
		keys->anonymous = p;
	}
	fate = router_keys_again(keys, err);
	if (fate == FATE_DONE)
		*ret_keys = keys;
	else
		router_keys_close(keys);
	return fate;
}

void
router_keys_close(struct router_keys *keys)
{
	if (!keys)
		return;
	while (keys->all) {
		struct principal *p = keys->all;

		keys->all = p->next;
		free(p->name);
		free(p);
	}
	free(keys);
}

size_t
router_keys_count(const struct router_keys *keys)
{
	return keys->count;
}

enum caller_verdict
router_keys_find(
    struct router_keys *keys, struct slice authorization, struct principal **ret_who)
{
	struct digest digest;

	if (!authorization.p) {
		*ret_who = keys->anonymous;
		return keys->anonymous ? CALLER_KNOWN : CALLER_WITHOUT_KEY;
	}
	if (authorization.len != 7 + KEY_TEXT_LEN ||
	    strncasecmp(authorization.p, "Bearer ", 7) != 0)
		return CALLER_WITH_WRONG_KEY;
	digest = digest_of(slice_of(authorization.p + 7, authorization.len - 7));
	for (struct principal *p = keys->buckets[bucket_of(&digest)]; p; p = p->next_key) {
		if (digest_eq(&p->digest, &digest)) {
			*ret_who = p;
			return CALLER_KNOWN;
		}
	}
	return CALLER_WITH_WRONG_KEY;
}

/* A budget that fills at the rate, up to a second's worth and one at least. */
static bool
within_rate(struct principal *who, int64_t now_us, int64_t *ret_wait_s)
{
	double rate = who->limits.rate, most = rate > 1 ? rate : 1;

	if (rate <= 0)
		return true;
	who->budget = who->budget_us == 0
			  ? most
			  : who->budget + (double)(now_us - who->budget_us) / 1e6 * rate;
	who->budget = who->budget > most ? most : who->budget;
	who->budget_us = now_us;
	if (who->budget < 1) {
		*ret_wait_s = 1 + (int64_t)((1 - who->budget) / rate);
		return false;
	}
	who->budget -= 1;
	return true;
}

const char *
principal_begin(struct principal *who, int64_t now_us, int64_t *ret_wait_s)
{
	if (who->limits.concurrency && who->running >= who->limits.concurrency) {
		*ret_wait_s = 1;
		return "too many statements under way";
	}
	if (!within_rate(who, now_us, ret_wait_s))
		return "too many statements a second";
	who->running++;
	return NULL;
}

void
principal_end(struct principal *who)
{
	must(who->running > 0);
	who->running--;
}

void
key_new(char ret_text[static KEY_TEXT_LEN + 1], struct digest *ret_digest)
{
	struct digest random;

	must(getrandom(random.bytes, DIGEST_LEN, 0) == DIGEST_LEN);
	memcpy(ret_text, "slk_", 4);
	digest_hex(&random, ret_text + 4);
	*ret_digest = digest_of(slice_of(ret_text, KEY_TEXT_LEN));
}
