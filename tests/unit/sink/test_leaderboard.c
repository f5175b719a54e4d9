/* SPDX-License-Identifier: Apache-2.0 */
/* The pure half of the leaderboard: packed states, units, places in time, folding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sink/leaderboard.h"
#include "sink/leaderboard_fold.h"

#define UUID "0b1e7c36-3e1c-4d5e-9a75-000000000001"

static struct arena arena;

static struct board_state
live(uint64_t version, int64_t bucket, const char *member, int64_t units)
{
	return (struct board_state){ .kind = BOARD_LIVE,
		.version = version,
		.bucket = bucket,
		.units = units,
		.member = slice_str(member) };
}

static size_t
packed_and_back(const struct board_state *state)
{
	struct board_state back;
	struct buf out = { 0 };
	size_t len;

	board_state_pack(&out, state);
	len = out.len;
	assert_true(board_state_unpack(buf_view(&out), &arena, &back));
	assert_int_equal(back.kind, state->kind);
	assert_true(back.version == state->version);
	assert_true(back.bucket == state->bucket);
	assert_true(back.units == state->units);
	assert_true(slice_eq(back.member, state->member));
	buf_finish(&out);
	return len;
}

static void
states_survive_packing(void **state)
{
	static const char *const members[] = { "", "a", UUID,
		"0B1E7C36-3E1C-4D5E-9A75-000000000001", "0b1e7c36-3e1c-4d5e-9a75-00000000000g",
		"0b1e7c36+3e1c-4d5e-9a75-000000000001", "#sum", "video" };
	static const int64_t numbers[] = { 0, 1, -1, 63, -64, 64, INT64_MAX, INT64_MIN };
	struct board_state guard = { .kind = BOARD_GUARD, .version = (UINT64_C(31) << 48) + 7 };

	(void)state;
	for (size_t m = 0; m < sizeof members / sizeof *members; m++)
		for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) {
			struct board_state s = live(
			    UINT64_C(1) << (n * 7), numbers[n], members[m], numbers[7 - n]);

			(void)packed_and_back(&s);
		}
	assert_true(packed_and_back(&guard) <= 9);
	/* a UUID is stored as its bytes */
	guard = live(1000000, 178000000, UUID, 10);
	assert_true(packed_and_back(&guard) <= 26);
}

static void
foreign_states_are_refused(void **state)
{
	static const char *const bad[] = { "", "\x04", "\x01", "\x01\xff", "\x01\x05x",
		"\x02\x05", "\x02\x05\x05", "\x03\x05\x05\x05short", "{\"v\":1}" };
	struct board_state ret;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(board_state_unpack(slice_str(bad[i]), &arena, &ret));
}

static void
fields_are_keys_or_digests(void **state)
{
	char memory[BOARD_FIELD_MAX];
	struct slice brief = SLICE("{\"id\":17}");
	struct slice a = SLICE("{\"id\":\"a very long key that has many characters 1\"}");
	struct slice b = SLICE("{\"id\":\"a very long key that has many characters 2\"}");
	char other[BOARD_FIELD_MAX];

	(void)state;
	assert_true(slice_eq(board_field(brief, memory), brief));
	assert_int_equal(board_field(a, memory).len, 26);
	assert_false(slice_eq(board_field(a, memory), board_field(b, other)));
	/* shards are a format at rest: this one must never change */
	assert_int_equal(board_shard(brief), board_shard(SLICE("{\"id\":17}")));
	assert_true(board_shard(brief) < BOARD_SHARDS);
}

static struct value
decimal_of(const char *text)
{
	struct value v = { .state = VALUE_SET };
	struct err err;

	assert_int_equal(decimal_parse(slice_str(text), &arena, &v.d, &err), FATE_DONE);
	return v;
}

static void
units_are_exact_or_refused(void **state)
{
	static const struct {
		const char *score;
		int scale;
		bool ok;
		int64_t units;
	} rows[] = {
		{ "0.2", 1, true, 2 },
		{ "1", 1, true, 10 },
		{ "1.000", 1, true, 10 },
		{ "-3.25", 2, true, -325 },
		{ "0.25", 1, false, 0 },
		{ "NaN", 1, false, 0 },
		{ "Infinity", 1, false, 0 },
		{ "1e12", 1, true, BOARD_UNITS_MAX },
		{ "1.1e12", 1, false, 0 },
		{ "-1e30", 9, false, 0 },
		{ "1e200", 0, false, 0 },
	};
	struct pgtype numeric = { .kind = TYPE_NUMERIC, .typmod = -1 };
	struct pgtype integer = { .kind = TYPE_INT8, .typmod = -1 };
	struct value v = { .state = VALUE_NULL };
	const char *why;
	int64_t units = 99;

	(void)state;
	assert_true(board_units(numeric, &v, 1, &units, &why));
	assert_true(units == 0);
	v = (struct value){ .state = VALUE_SET, .i = -7 };
	assert_true(board_units(integer, &v, 0, &units, &why) && units == -7);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		v = decimal_of(rows[i].score);
		why = NULL;
		assert_int_equal(
		    board_units(numeric, &v, rows[i].scale, &units, &why), rows[i].ok);
		if (rows[i].ok)
			assert_true(units == rows[i].units);
		else
			assert_non_null(why);
	}
}

static void
places_in_time(void **state)
{
	struct board_span span = board_span_of(600000, 10000);

	(void)state;
	assert_int_equal(span.window, 60);
	assert_int_equal(span.ahead, 360);
	assert_int_equal(span.era, 120);
	assert_int_equal(board_floor(-1, 10), -1);
	assert_int_equal(board_floor(-10, 10), -1);
	assert_int_equal(board_floor(9, 10), 0);
	assert_true(board_floor(INT64_MIN, 10000000) < 0);
	assert_int_equal(board_place(&span, 1200, 1200), BOARD_IN);
	assert_int_equal(board_place(&span, 1141, 1200), BOARD_IN);
	assert_int_equal(board_place(&span, 1140, 1200), BOARD_LATE);
	/* whatever counted when it was written is remembered for lateness after its window */
	assert_int_equal(board_place(&span, 1200 - 120, 1200), BOARD_LATE);
	assert_int_equal(board_place(&span, 1080, 1319), BOARD_LATE);
	assert_int_equal(board_place(&span, 1079, 1200), BOARD_FORGOTTEN);
	assert_int_equal(board_place(&span, 1560, 1200), BOARD_IN);
	assert_int_equal(board_place(&span, 1561, 1200), BOARD_FAR);
	assert_int_equal(board_place(&span, board_floor(INT64_MAX, 10000000), 1200), BOARD_FAR);
	assert_int_equal(
	    board_place(&span, board_floor(INT64_MIN, 10000000), 1200), BOARD_FORGOTTEN);
}

static const struct fold_net *
net_of(const struct fold *fold, int64_t bucket, const char *member)
{
	for (size_t i = 0; i < fold->net_count; i++)
		if (fold->nets[i].bucket == bucket &&
		    slice_eq(fold->nets[i].member, slice_str(member)))
			return &fold->nets[i];
	return NULL;
}

static void
a_row_moves_and_leaves(void **state)
{
	struct fold fold = { 0 };
	struct board_state s = live(5, 100, "a", 10), old = live(3, 90, "b", 2);
	size_t row = fold_row(&fold, 0, SLICE("k"));

	(void)state;
	fold_found(&fold.rows[row], &old, 0);
	assert_true(fold_apply(&fold, row, &s));
	assert_true(net_of(&fold, 90, "b")->units == -2 && net_of(&fold, 90, "b")->rows == -1);
	assert_true(net_of(&fold, 100, "a")->units == 10 && net_of(&fold, 100, "a")->rows == 1);
	s = (struct board_state){ .kind = BOARD_GUARD, .version = 6 };
	assert_true(fold_apply(&fold, row, &s));
	assert_true(net_of(&fold, 100, "a")->units == 0 && net_of(&fold, 100, "a")->rows == 0);
	assert_int_equal(fold.rows[row].state.kind, BOARD_GUARD);
	fold_finish(&fold);
}

static void
only_a_greater_version_keeps_a_record_out(void **state)
{
	struct fold fold = { 0 };
	struct board_state old = live(5, 90, "b", 2), s = live(4, 100, "a", 1);
	size_t row = fold_row(&fold, 0, SLICE("k"));

	(void)state;
	fold_found(&fold.rows[row], &old, 0);
	assert_false(fold_apply(&fold, row, &s));
	assert_int_equal(fold.net_count, 0);
	assert_false(fold.rows[row].changed);
	s.version = 5;
	assert_true(fold_apply(&fold, row, &s)); /* equal: leaves and enters again */
	assert_true(net_of(&fold, 100, "a")->rows == 1);
	old = (struct board_state){ .kind = BOARD_GUARD, .version = 9 };
	row = fold_row(&fold, 0, SLICE("deleted"));
	fold_found(&fold.rows[row], &old, 0);
	assert_false(fold_apply(&fold, row, &s));
	old.version = UINT64_MAX - 1; /* neighbours that a double does not tell apart */
	s.version = UINT64_MAX - 2;
	row = fold_row(&fold, 0, SLICE("big"));
	fold_found(&fold.rows[row], &old, 0);
	assert_false(fold_apply(&fold, row, &s));
	s.version = UINT64_MAX;
	assert_true(fold_apply(&fold, row, &s));
	fold_finish(&fold);
}

static void
what_does_not_count_is_remembered_only_of_known_rows(void **state)
{
	struct fold fold = { 0 };
	struct board_state nothing = { .kind = BOARD_NONE, .version = 8 };
	struct board_state old = live(5, 90, "b", 2);
	size_t unknown = fold_row(&fold, 0, SLICE("k"));
	size_t known = fold_row(&fold, 1, SLICE("k"));

	(void)state;
	assert_int_not_equal(unknown, known);
	fold_found(&fold.rows[known], &old, 0);
	assert_true(fold_apply(&fold, unknown, &nothing));
	assert_false(fold.rows[unknown].changed);
	assert_true(fold_apply(&fold, known, &nothing));
	assert_true(fold.rows[known].changed);
	assert_int_equal(fold.rows[known].state.kind, BOARD_GUARD);
	assert_true(net_of(&fold, 90, "b")->rows == -1);
	fold_finish(&fold);
}

static void
of_two_old_states_the_newer_stays(void **state)
{
	struct fold fold = { 0 };
	struct board_state first = live(5, 90, "b", 2), second = live(7, 300, "c", 3);
	size_t row = fold_row(&fold, 0, SLICE("k"));

	(void)state;
	fold_found(&fold.rows[row], &second, 2);
	fold_found(&fold.rows[row], &first, 0);
	assert_int_equal(fold.rows[row].old_era, 2);
	assert_true(fold.rows[row].state.version == 7);
	fold_finish(&fold);
}

/* Any order of batches gives the sum that a plain model gives. */
static void
folds_agree_with_a_model(void **state)
{
	enum { KEYS = 3000, MEMBERS = 7, BUCKETS = 5, EVENTS = 20000 };
	static struct board_state model[KEYS];
	static int64_t sums[BUCKETS][MEMBERS], counts[BUCKETS][MEMBERS];
	static const char names[MEMBERS][2] = { "a", "b", "c", "d", "e", "f", "g" };
	static char keys[KEYS][8];
	struct fold fold = { 0 };
	unsigned seed = 7;

	(void)state;
	for (uint64_t e = 1; e <= EVENTS; e++) {
		size_t k = (size_t)rand_r(&seed) % KEYS, row;
		struct board_state s = live(e, rand_r(&seed) % BUCKETS,
		    names[rand_r(&seed) % MEMBERS], rand_r(&seed) % 100 - 50);

		if (rand_r(&seed) % 5 == 0)
			s = (struct board_state){ .kind = BOARD_GUARD, .version = e };
		(void)snprintf(keys[k], sizeof keys[k], "%zu", k);
		row = fold_row(&fold, 0, slice_str(keys[k]));
		assert_true(fold_apply(&fold, row, &s));
		model[k] = s;
	}
	assert_true(fold.row_count <= KEYS);
	for (size_t k = 0; k < KEYS; k++)
		if (model[k].kind == BOARD_LIVE) {
			sums[model[k].bucket][model[k].member.p[0] - 'a'] += model[k].units;
			counts[model[k].bucket][model[k].member.p[0] - 'a']++;
		}
	for (int64_t b = 0; b < BUCKETS; b++)
		for (int m = 0; m < MEMBERS; m++) {
			const struct fold_net *net = net_of(&fold, b, names[m]);

			assert_true(net->units == sums[b][m] && net->rows == counts[b][m]);
		}
	fold_reset(&fold);
	assert_int_equal(fold_row(&fold, 0, slice_str("1")), 0);
	assert_int_equal(fold.rows[0].state.kind, BOARD_NONE);
	fold_finish(&fold);
}

static int
setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 24);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_finish(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_survive_packing),
		cmocka_unit_test(foreign_states_are_refused),
		cmocka_unit_test(fields_are_keys_or_digests),
		cmocka_unit_test(units_are_exact_or_refused),
		cmocka_unit_test(places_in_time),
		cmocka_unit_test(a_row_moves_and_leaves),
		cmocka_unit_test(only_a_greater_version_keeps_a_record_out),
		cmocka_unit_test(what_does_not_count_is_remembered_only_of_known_rows),
		cmocka_unit_test(of_two_old_states_the_newer_stays),
		cmocka_unit_test(folds_agree_with_a_model),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
