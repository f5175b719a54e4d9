/* SPDX-License-Identifier: Apache-2.0 */
/* dlq_select.h -- which dead letters a person means: by worker, class, time and place.
 *
 * What is not said selects all; what is said must all be true. Pure, and bounded:
 * DLQ_RANGES_MAX ranges of offsets. Texts are borrowed. */
#ifndef CTL_DLQ_SELECT_H
#define CTL_DLQ_SELECT_H

#include "ctl/letter.h"
#include "work/pipeline.h"

enum { DLQ_RANGES_MAX = 256 };

struct dlq_range {
	int32_t partition;
	int64_t first, last; /* both are in it */
};

struct dlq_select {
	const char *worker; /* NULL: of all */
	const char
	    *class; /* a class (expression), an SQLSTATE (22012), or both (expression/22012) */
	int64_t since_ms; /* ms since 1970; 0: from the beginning */
	struct dlq_range ranges[DLQ_RANGES_MAX];
	size_t range_count; /* 0: all offsets */
};

/* The pipeline has such a worker, or HALT that names those it has. */
enum fate dlq_select_worker(struct dlq_select *select, const struct pipeline *pipeline,
    const char *worker, struct err *err) NODISCARD;
/* "2h": since so long before now; or an RFC 3339 time. HALT. */
enum fate dlq_select_since(
    struct dlq_select *select, const char *text, int64_t now_ms, struct err *err) NODISCARD;
/* "0:17", "0:17-40", "0:17,0:19-23,1:4". HALT. */
enum fate dlq_select_offsets(
    struct dlq_select *select, const char *text, struct err *err) NODISCARD;
/* One place, "0:17". HALT. */
enum fate dlq_place(
    const char *text, int32_t *ret_partition, int64_t *ret_offset, struct err *err) NODISCARD;

bool dlq_selects(const struct dlq_select *select, const struct letter *letter);

#endif
