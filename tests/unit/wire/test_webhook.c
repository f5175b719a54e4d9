/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/webhook.h"

/* The example that the libraries of Standard Webhooks share. */
#define SECRET    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define OTHER     "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
enum { AT_S = 1614265330 };

static const struct slice id = { "msg_p5jXN8AQM9LWM0D4loKWxJek", 28 };
static const struct slice at = { "1614265330", 10 };
static const struct slice body = { "{\"test\": 2432232314}", 20 };

static struct webhook_keys *
keys_of(const char *secrets)
{
	struct webhook_keys *keys = NULL;
	struct err err;

	assert_int_equal(webhook_keys_new(secrets, &keys, &err), FATE_DONE);
	return keys;
}

static void
signs_as_the_specification(void **state)
{
	struct webhook_keys *keys = keys_of(SECRET);
	struct buf out = { 0 };

	(void)state;
	for (int i = 0; i < 2; i++) { /* the keyed state is used again */
		out.len = 0;
		webhook_sign(keys, id, AT_S, body, &out);
		assert_string_equal(buf_str(&out), SIGNATURE);
	}
	buf_finish(&out);
	webhook_keys_free(keys);
}

static void
signs_with_each_secret_while_rotating(void **state)
{
	struct webhook_keys *both = keys_of("  " OTHER " " SECRET " "), *old = keys_of(SECRET);
	struct webhook_keys *new = keys_of(OTHER);
	struct buf out = { 0 };

	(void)state;
	webhook_sign(both, id, AT_S, body, &out);
	assert_int_equal(out.len, 2 * WEBHOOK_SIGNATURE_LEN + 1);
	assert_string_equal(buf_str(&out) + WEBHOOK_SIGNATURE_LEN + 1, SIGNATURE);
	assert_int_equal(webhook_verify(old, id, at, body, buf_view(&out), AT_S), WEBHOOK_GOOD);
	assert_int_equal(webhook_verify(new, id, at, body, buf_view(&out), AT_S), WEBHOOK_GOOD);
	buf_finish(&out);
	webhook_keys_free(both);
	webhook_keys_free(old);
	webhook_keys_free(new);
}

static void
refuses_what_was_changed(void **state)
{
	struct webhook_keys *keys = keys_of(SECRET);
	const struct slice good = SLICE(SIGNATURE);

	(void)state;
	assert_int_equal(webhook_verify(keys, id, at, body, good, AT_S), WEBHOOK_GOOD);
	assert_int_equal(webhook_verify(keys, id, at, SLICE("{}"), good, AT_S), WEBHOOK_WRONG);
	assert_int_equal(
	    webhook_verify(keys, SLICE("other"), at, body, good, AT_S), WEBHOOK_WRONG);
	assert_int_equal(
	    webhook_verify(keys, id, SLICE("1614265331"), body, good, AT_S), WEBHOOK_WRONG);
	assert_int_equal(webhook_verify(keys, id, at, body, SLICE(""), AT_S), WEBHOOK_WRONG);
	assert_int_equal(webhook_verify(keys, id, at, body, SLICE("v1,"), AT_S), WEBHOOK_WRONG);
	webhook_keys_free(keys);
}

static void
refuses_old_and_future_timestamps(void **state)
{
	struct webhook_keys *keys = keys_of(SECRET);
	const struct slice good = SLICE(SIGNATURE);

	(void)state;
	assert_int_equal(
	    webhook_verify(keys, id, at, body, good, AT_S + WEBHOOK_TOLERANCE_S), WEBHOOK_GOOD);
	assert_int_equal(
	    webhook_verify(keys, id, at, body, good, AT_S + WEBHOOK_TOLERANCE_S + 1),
	    WEBHOOK_STALE);
	assert_int_equal(
	    webhook_verify(keys, id, at, body, good, AT_S - WEBHOOK_TOLERANCE_S - 1),
	    WEBHOOK_STALE);
	assert_int_equal(
	    webhook_verify(keys, id, SLICE("now"), body, good, AT_S), WEBHOOK_STALE);
	assert_int_equal(
	    webhook_verify(keys, id, slice_of(NULL, 0), body, good, AT_S), WEBHOOK_STALE);
	webhook_keys_free(keys);
}

static void
refuses_bad_secrets(void **state)
{
	static const char *const bad[] = { "", "   ", "whsec_", "whsec_short", "whsec_!!!!",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw whsec_x",
		SECRET " " SECRET " " SECRET " " SECRET " " SECRET };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct webhook_keys *keys = NULL;
		struct err err = { 0 };

		assert_int_equal(webhook_keys_new(bad[i], &keys, &err), FATE_HALT);
		assert_null(keys);
		assert_null(strstr(err.what, "MfKQ")); /* no secret in a message */
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signs_as_the_specification),
		cmocka_unit_test(signs_with_each_secret_while_rotating),
		cmocka_unit_test(refuses_what_was_changed),
		cmocka_unit_test(refuses_old_and_future_timestamps),
		cmocka_unit_test(refuses_bad_secrets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
