/* SPDX-License-Identifier: Apache-2.0 */
#include "work/statements.h"

/* The assembler copies the file; the Makefile knows that this object depends on it. */
#define CARRY(symbol, file)                                                                    \
	__asm__(".pushsection .rodata\n.global " #symbol "\n" #symbol ":\n.incbin \"" file     \
		"\"\n.byte 0\n.popsection\n")

CARRY(statement_postgres_catalog, "sql/postgres/catalog.sql");
CARRY(statement_postgres_columns, "sql/postgres/columns.sql");
CARRY(statement_postgres_publication, "sql/postgres/publication.sql");
CARRY(statement_postgres_gap, "sql/postgres/gap.sql");
CARRY(statement_engagement_contents, "sql/generate/engagement_contents.sql");
CARRY(statement_engagement_load, "sql/generate/engagement_load.sql");
CARRY(statement_engagement_insert, "sql/generate/engagement_insert.sql");
CARRY(statement_engagement_update, "sql/generate/engagement_update.sql");
CARRY(statement_engagement_delete, "sql/generate/engagement_delete.sql");
CARRY(statement_orders_contents, "sql/generate/orders_contents.sql");
CARRY(statement_orders_load, "sql/generate/orders_load.sql");
CARRY(statement_orders_insert, "sql/generate/orders_insert.sql");
CARRY(statement_orders_update, "sql/generate/orders_update.sql");
CARRY(statement_orders_delete, "sql/generate/orders_delete.sql");
