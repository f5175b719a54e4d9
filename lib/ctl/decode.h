/* SPDX-License-Identifier: Apache-2.0 */
/* decode.h -- sluicectl decode: Debezium events as lines in, normalised changes out.
 *
 * One JSON object a line for every line (wire/describe.h), also for a bad one. Types
 * come from the event's schema, from a types file, or from the catalogue of a
 * pipeline's tables: there an event's source names its table, and one that names
 * none is a fact. */
#ifndef CTL_DECODE_H
#define CTL_DECODE_H

#include "ctl/types.h"
#include "sql/catalog.h"
#include "work/lines.h"
#include "work/pipeline.h"

struct decode_options {
	const struct pipeline *pipeline;   /* NULL: types alone */
	const struct sql_catalog *catalog; /* with a pipeline */
	const struct types *types;         /* NULL: none */
};

/* Until the end of lines. HALT: the pipeline's tables are not in the catalogue, or out
 * cannot be written. */
enum fate decode_run(const struct decode_options *options, struct lines *lines, FILE *out,
    struct err *err) NODISCARD;

#endif
