/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "demo/generate_model.h"
#include "link/pg.h"
#include "work/statements.h"

/* Ids of what is seeded; those of the schema's own rows are small. */
enum { TEXT_SIZE = 80, FIRST_ID = 100000, STRAY_ID = 1000000, STRAYS = 500, DAYS = 400 };
enum { DAY_S = 86400 };

#define PICK(dice, list) (list)[dice_below(dice, sizeof(list) / sizeof *(list))]

static void
add_text(struct buf *column, const char *text)
{
	pg_array_add(column, slice_str(text));
}

static void
add_number(struct buf *column, int64_t number)
{
	char text[24];

	(void)snprintf(text, sizeof text, "%" PRId64, number);
	add_text(column, text);
}

/* Even indexes are customers, odd ones products. */
static void
orders_content(struct generate_world *world, size_t index, struct buf *columns)
{
	static const char *const first[] = { "Ana", "Bjørn", "Chloé", "Δημήτρης", "Eve" };
	static const char *const last[] = { "O'Brien", "van der Berg", "李", "de \"Soto\"",
		"Ng" };
	static const char *const things[] = { "mug", "poster, A2", "T-shirt", "pencil {HB}" };
	struct dice dice = { .state =
				 world->seed ^ (index + 1) * UINT64_C(0x9fb21c651e98df25) };
	char text[TEXT_SIZE];

	add_text(&columns[0], index % 2 ? "product" : "customer");
	add_number(&columns[1], FIRST_ID + (int64_t)(index / 2));
	if (index % 2) {
		(void)snprintf(text, sizeof text, "%s %zu", PICK(&dice, things), index / 2);
		add_text(&columns[2], text);
		(void)snprintf(text, sizeof text, "%" PRIu64 ".%02" PRIu64,
		    dice_below(&dice, 200), dice_below(&dice, 100));
		add_text(&columns[3], text);
	} else {
		add_text(&columns[2], PICK(&dice, first));
		add_text(&columns[3], PICK(&dice, last));
	}
}

static void
add_date(struct generate_world *world, struct buf *column)
{
	time_t at =
	    (time_t)(world->now_us / 1000000) - (time_t)dice_below(&world->dice, DAYS) * DAY_S;
	struct tm day;
	char text[16];

	(void)gmtime_r(&at, &day);
	(void)strftime(text, sizeof text, "%Y-%m-%d", &day);
	add_text(column, text);
}

/* One order in fifty is by a customer who is not there (yet). */
static void
add_purchaser(struct generate_world *world, struct buf *column)
{
	uint64_t word = dice_word(&world->dice), customers = (world->contents + 1) / 2;

	if (customers == 0 || word % 50 == 0)
		add_number(column, STRAY_ID + (int64_t)(word / 50 % STRAYS));
	else
		add_number(column, FIRST_ID + (int64_t)(word / 50 % customers));
}

static void
add_quantity(struct generate_world *world, struct buf *column)
{
	uint64_t kind = dice_below(&world->dice, 500);

	add_number(column, kind == 0 ? INT32_MAX : (int64_t)dice_below(&world->dice, 40));
}

static void
add_product(struct generate_world *world, struct buf *column)
{
	uint64_t word = dice_word(&world->dice), products = world->contents / 2;

	add_number(
	    column, products ? FIRST_ID + (int64_t)(word % products) : 1 + (int64_t)(word % 4));
}

static void
orders_insert(struct generate_world *world, struct buf *columns)
{
	add_date(world, &columns[0]);
	add_purchaser(world, &columns[1]);
	add_quantity(world, &columns[2]);
	add_product(world, &columns[3]);
}

static void
orders_update(struct generate_world *world, struct buf *columns)
{
	static const char *const what[] = { "d", "q", "q", "b", "p", "qp", "l", "l", "dbqp" };

	add_text(&columns[0], PICK(&world->dice, what));
	orders_insert(world, columns + 1);
}

const struct generate_model generate_orders = {
	.name = "orders",
	.contents_sql = statement_orders_contents,
	.load_sql = statement_orders_load,
	.insert_sql = statement_orders_insert,
	.update_sql = statement_orders_update,
	.delete_sql = statement_orders_delete,
	.contents_columns = 4,
	.insert_columns = 4,
	.update_columns = 6,
	.content = orders_content,
	.insert = orders_insert,
	.update = orders_update,
};
