/* SPDX-License-Identifier: Apache-2.0 */
/* statements.h -- files of sql/ that the programs carry inside, so that an installed
 * binary needs no folder. Terminated texts. */
#ifndef WORK_STATEMENTS_H
#define WORK_STATEMENTS_H

extern const char statement_postgres_catalog[]; /* sql/postgres/catalog.sql */
extern const char statement_postgres_columns[]; /* sql/postgres/columns.sql */
extern const char statement_postgres_publication[];
extern const char statement_postgres_gap[]; /* sql/postgres/gap.sql */

/* sql/generate/engagement_*.sql */
extern const char statement_engagement_contents[];
extern const char statement_engagement_load[];
extern const char statement_engagement_insert[];
extern const char statement_engagement_update[];
extern const char statement_engagement_delete[];

/* sql/generate/orders_*.sql */
extern const char statement_orders_contents[];
extern const char statement_orders_load[];
extern const char statement_orders_insert[];
extern const char statement_orders_update[];
extern const char statement_orders_delete[];

#endif
