/* SPDX-License-Identifier: Apache-2.0 */
/* audit.h -- the record of who asked what: one JSON line a statement, appended, and none
 * left out but what the disk does not take.
 *
 * A write and a governed read are written down before they begin and again when they have
 * ended; what cannot be written down does not begin. Every other statement has its line
 * before its answer is finished; when that cannot be written it is answered all the same
 * and the line is missing: sluice_router_audit_failures_total counts those. A line that
 * the disk took in part is ended before the next one. The text of a statement is kept as
 * its SHA-256. */
#ifndef ROUTER_AUDIT_H
#define ROUTER_AUDIT_H

#include "engine/plan.h"

struct router_audit;

struct audit_line {
	const char *who, *role; /* role: by which it was planned */
	const char *id;
	struct slice sql;
	const struct plan *plan; /* NULL: none was made */
	const char *engine;      /* NULL: none was asked */
	const char *policy;      /* version of the registry's file */
	const char *outcome;     /* "begins", "answered", or the code of the error */
	uint64_t rows;
	int64_t elapsed_us;
};

/* HALT: the file cannot be opened for appending. */
enum fate router_audit_open(
    const char *file, struct router_audit **ret_audit, struct err *err) NODISCARD;
void router_audit_close(struct router_audit *audit); /* accepts NULL */
/* RETRY: it is not written; err says why. */
enum fate router_audit_write(
    struct router_audit *audit, const struct audit_line *line, struct err *err) NODISCARD;
/* Lines that could not be written since the start. */
uint64_t router_audit_failures(const struct router_audit *audit);

#endif
