/* SPDX-License-Identifier: Apache-2.0 */
/* plan_finish.h -- an engine's rows made into the statement's results.
 *
 * For avg of exact numbers: ClickHouse gives sum(x) and count(x), and NUMERIC divides here
 * as Postgres does. A plan_finish belongs to its plan and is shared by the queries under
 * way, of any thread; each has a finish_run of its own. It refuses what lib/sql cannot
 * compute, when the plan is made. */
#ifndef ENGINE_PLAN_FINISH_H
#define ENGINE_PLAN_FINISH_H

#include "sql/dialect.h"

struct plan_column;
struct plan_finish;
struct finish_run;

/* HALT: lib/sql does not compute this, or not to the type that the statement has there. */
enum fate plan_finish_new(const struct dialect_finish *emitted,
    const struct ast_output *outputs, size_t output_count, struct plan_finish **ret_finish,
    struct err *err) NODISCARD;
void plan_finish_free(struct plan_finish *finish); /* accepts NULL */

/* What comes from the engine. */
const struct plan_column *plan_finish_wires(
    const struct plan_finish *finish, size_t *ret_count);

struct finish_run *finish_run_new(struct plan_finish *finish);
void finish_run_free(struct finish_run *run); /* accepts NULL */
/* From texts by wire to texts by result, alive until the next. REJECT: what Postgres would
 * raise (1 / avg(x) of zero), its SQLSTATE. */
enum fate finish_run_row(struct finish_run *run, const struct slice *wires,
    const struct slice **ret_results, struct err *err) NODISCARD;

#endif
