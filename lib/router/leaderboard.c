/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "router/ops.h"

static const struct registry_table *
board_of(const struct router *r, const struct registry_role *role, struct slice key)
{
	int redis = registry_engine_of_kind(r->registry, ENGINE_REDIS);

	for (size_t i = 0; i < r->registry->table_count; i++) {
		const struct registry_table *t = &r->registry->tables[i];

		if (t->board && registry_may_name(role, t) &&
		    (slice_eq(key, slice_str(t->table.name)) ||
			(redis != ENGINE_NONE &&
			    slice_eq(key, slice_str(t->placements[redis].path[0])))))
			return t;
	}
	return NULL;
}

static void
statement_text(const struct registry_table *t, int64_t top, struct buf *out)
{
	const struct sql_column *columns = t->table.columns;

	buf_cstr(out, "SELECT ");
	dialect_name(out, DIALECT_POSTGRES, columns[0].name);
	buf_cstr(out, ", ");
	dialect_name(out, DIALECT_POSTGRES, columns[1].name);
	buf_cstr(out, " FROM ");
	dialect_name(out, DIALECT_POSTGRES, t->table.schema);
	buf_byte(out, '.');
	dialect_name(out, DIALECT_POSTGRES, t->table.name);
	buf_cstr(out, " ORDER BY ");
	dialect_name(out, DIALECT_POSTGRES, columns[1].name);
	buf_printf(out, " DESC LIMIT %" PRId64, top);
}

void
router_leaderboard(struct router *router, struct httpd_exchange *x, struct principal *who,
    struct slice key, int64_t top)
{
	struct router_request request = {
		.max_staleness_ms = ANY_STALENESS, .wait_ms = -1, .format = FORMAT_MEMBERS
	};
	const struct registry_table *t = board_of(router, who->role, key);

	if (!t) {
		router_refuse_plain(x, 404, "NOT_FOUND", "there is no such leaderboard");
		return;
	}
	if (!router_admit(router, x, who))
		return;
	statement_text(t, top, &request.body);
	request.sql = slice_of(buf_str(&request.body), request.body.len);
	statement_new(router, x, who, &request);
}
