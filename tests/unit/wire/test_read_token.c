/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/read_token.h"

static const unsigned char key[READ_TOKEN_KEY_LEN] = "thirty-two bytes, all of one key";
static const unsigned char other[READ_TOKEN_KEY_LEN] = "thirty-two bytes of another key.";
static const struct read_token token = { 7463920111223344556u, 3, 0x16B374D848 };

static void
comes_back(void **state)
{
	struct read_token back = { 0 };
	struct buf out = { 0 };

	(void)state;
	read_token_write(key, slice_str("ada"), &token, &out);
	assert_int_equal(out.len, READ_TOKEN_LEN);
	assert_true(read_token_read(key, slice_str("ada"), buf_view(&out), &back));
	assert_int_equal(back.system, token.system);
	assert_int_equal(back.timeline, token.timeline);
	assert_int_equal(back.lsn, token.lsn);
	buf_finish(&out);
}

static void
belongs_to_one_principal_and_key(void **state)
{
	struct read_token back = { 0 };
	struct buf out = { 0 };

	(void)state;
	read_token_write(key, slice_str("ada"), &token, &out);
	assert_false(read_token_read(key, slice_str("eve"), buf_view(&out), &back));
	assert_false(read_token_read(key, slice_str(""), buf_view(&out), &back));
	assert_false(read_token_read(other, slice_str("ada"), buf_view(&out), &back));
	assert_int_equal(back.lsn, 0);
	buf_finish(&out);
}

/* Every character counts, and only a whole text is one. */
static void
no_forgery_passes(void **state)
{
	struct read_token back = { 0 };
	struct buf out = { 0 };

	(void)state;
	read_token_write(key, slice_str("ada"), &token, &out);
	for (size_t i = 0; i < out.len; i++) {
		char was = out.p[i];

		out.p[i] = was == 'A' ? 'B' : 'A';
		assert_false(read_token_read(key, slice_str("ada"), buf_view(&out), &back));
		out.p[i] = '\n';
		assert_false(read_token_read(key, slice_str("ada"), buf_view(&out), &back));
		out.p[i] = was;
	}
	for (size_t len = 0; len < out.len; len++)
		assert_false(
		    read_token_read(key, slice_str("ada"), slice_of(out.p, len), &back));
	buf_byte(&out, 'A');
	assert_false(read_token_read(key, slice_str("ada"), buf_view(&out), &back));
	buf_finish(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back),
		cmocka_unit_test(belongs_to_one_principal_and_key),
		cmocka_unit_test(no_forgery_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
