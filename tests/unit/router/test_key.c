/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "router/key.h"

enum { KEYS = 40 };

static char texts[KEYS][KEY_TEXT_LEN + 1];
static char file[] = "/tmp/sluice-test-keys-XXXXXX";
static struct registry *registry;
static struct router_keys *keys;

static void
write_keys(size_t from, size_t to)
{
	FILE *out = fopen(file, "w");

	assert_non_null(out);
	fprintf(out, "keys:\n");
	for (size_t i = from; i < to; i++) {
		struct digest digest = digest_of(slice_str(texts[i]));
		char hex[DIGEST_HEX_LEN + 1];

		digest_hex(&digest, hex);
		fprintf(out, "  k%zu: {hash: \"%s\", role: reader}\n", i, hex);
	}
	assert_int_equal(fclose(out), 0);
}

static int
setup(void **state)
{
	struct buf text = { 0 };
	struct err err;
	int fd = mkstemp(file);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	for (size_t i = 0; i < KEYS; i++) {
		struct digest digest;

		key_new(texts[i], &digest);
	}
	write_keys(0, KEYS);
	buf_printf(&text,
	    "server: {keys_file: %s}\nengines:\n  postgres: {kind: postgres}\ntables:\n"
	    "  t: {columns: {id: bigint}, engines: {postgres: t}}\nroles:\n  reader: {}\n",
	    file);
	assert_int_equal(registry_parse("r.yaml", buf_view(&text), &registry, &err), FATE_DONE);
	assert_int_equal(router_keys_open(registry, &keys, &err), FATE_DONE);
	buf_finish(&text);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	router_keys_close(keys);
	registry_free(registry);
	return unlink(file);
}

static enum caller_verdict
find(const char *scheme, const char *key, size_t len, struct principal **ret)
{
	char header[256];

	(void)snprintf(header, sizeof header, "%s%.*s", scheme, (int)len, key);
	return router_keys_find(keys, slice_str(header), ret);
}

/* A file that is none leaves the keys as they were. */
static void
one_key_has_one_name(void **state)
{
	struct principal *who = NULL;
	struct err err;
	char hex[DIGEST_HEX_LEN + 1];
	struct digest digest = digest_of(slice_str(texts[3]));
	FILE *out;

	(void)state;
	write_keys(0, KEYS);
	out = fopen(file, "a");
	assert_non_null(out);
	digest_hex(&digest, hex);
	fprintf(out, "  other: {hash: \"%s\", role: reader}\n", hex);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(router_keys_again(keys, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "the same hash"));
	assert_non_null(strstr(err.what, "k3"));
	assert_non_null(strstr(err.what, "other"));
	assert_int_equal(find("Bearer ", texts[3], KEY_TEXT_LEN, &who), CALLER_KNOWN);
	assert_string_equal(who->name, "k3");
	write_keys(0, KEYS);
	assert_int_equal(router_keys_again(keys, &err), FATE_DONE);
}

/* Whatever the bytes in which they differ are: the first, the last, one bit. */
static void
digests_are_one_by_every_bit(void **state)
{
	struct digest a = digest_of(SLICE("a")), b;

	(void)state;
	b = a;
	assert_true(digest_eq(&a, &b));
	for (size_t i = 0; i < DIGEST_LEN * 8; i++) {
		b.bytes[i / 8] ^= (unsigned char)(1u << i % 8);
		assert_false(digest_eq(&a, &b));
		assert_false(digest_eq(&b, &a));
		b.bytes[i / 8] ^= (unsigned char)(1u << i % 8);
	}
	memset(&b, 0, sizeof b);
	assert_false(digest_eq(&a, &b));
}

static void
a_key_is_known_whole_or_not_at_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEYS; i++) {
		struct principal *who = NULL;
		char name[8], near[KEY_TEXT_LEN + 1];

		(void)snprintf(name, sizeof name, "k%zu", i);
		assert_int_equal(find("Bearer ", texts[i], KEY_TEXT_LEN, &who), CALLER_KNOWN);
		assert_string_equal(who->name, name);
		assert_int_equal(find("bEARER ", texts[i], KEY_TEXT_LEN, &who), CALLER_KNOWN);
		for (size_t at = 0; at < KEY_TEXT_LEN; at++) {
			struct principal *nobody = NULL;

			memcpy(near, texts[i], sizeof near);
			near[at] = near[at] == '0' ? '1' : '0';
			assert_int_equal(find("Bearer ", near, KEY_TEXT_LEN, &nobody),
			    CALLER_WITH_WRONG_KEY);
			assert_int_equal(
			    find("Bearer ", texts[i], at, &nobody), CALLER_WITH_WRONG_KEY);
			assert_null(nobody);
		}
	}
}

static void
what_is_no_key_is_a_wrong_one(void **state)
{
	static const char *const schemes[] = { "", "Basic ", "Bearer", "Bearer  ", " Bearer ",
		"Bearer\t", "Bearer x" };
	struct principal *who = NULL;
	struct digest digest = digest_of(slice_str(texts[0]));
	char hex[DIGEST_HEX_LEN + 1];

	(void)state;
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
		assert_int_equal(
		    find(schemes[i], texts[0], KEY_TEXT_LEN, &who), CALLER_WITH_WRONG_KEY);
	digest_hex(&digest, hex);
	assert_int_equal(find("Bearer slk_", hex, DIGEST_HEX_LEN, &who), CALLER_WITH_WRONG_KEY);
	assert_int_equal(router_keys_find(keys, slice_of(NULL, 0), &who), CALLER_WITHOUT_KEY);
	assert_null(who);
}

static void
a_key_that_was_taken_away_is_wrong(void **state)
{
	struct principal *who = NULL;
	struct err err;

	(void)state;
	write_keys(1, KEYS);
	assert_int_equal(router_keys_again(keys, &err), FATE_DONE);
	assert_int_equal(find("Bearer ", texts[0], KEY_TEXT_LEN, &who), CALLER_WITH_WRONG_KEY);
	assert_int_equal(find("Bearer ", texts[1], KEY_TEXT_LEN, &who), CALLER_KNOWN);
	write_keys(0, 1);
	assert_int_equal(router_keys_again(keys, &err), FATE_DONE);
	assert_int_equal(find("Bearer ", texts[0], KEY_TEXT_LEN, &who), CALLER_KNOWN);
	assert_int_equal(find("Bearer ", texts[1], KEY_TEXT_LEN, &who), CALLER_WITH_WRONG_KEY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_one_by_every_bit),
		cmocka_unit_test(one_key_has_one_name),
		cmocka_unit_test(a_key_is_known_whole_or_not_at_all),
		cmocka_unit_test(what_is_no_key_is_a_wrong_one),
		cmocka_unit_test(a_key_that_was_taken_away_is_wrong),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
