/* SPDX-License-Identifier: Apache-2.0 */
/* measure.h -- how long statements like this one took on each engine, and what they cost.
 *
 * Like: the same text but for its constants, comments, blanks and the case of names; lists
 * of constants are one constant. An average by engine forgets slowly (EWMA), and is none
 * any more when the engine has not run the like for ten minutes: who was slow once, cold
 * or beside other work, is tried again. The table has a fixed size: what was used longest
 * ago makes room. Times are clock_mono_us(). One thread. */
#ifndef ENGINE_MEASURE_H
#define ENGINE_MEASURE_H

#include "engine/engine.h"

enum { MEASURE_TEXTS = 4096, MEASURE_OLD_US = 600000000 };

struct measure;

struct measure *measure_new(void);
void measure_free(struct measure *measure); /* accepts NULL */

/* Pure, whatever the bytes. What a statement is known by; plan->likeness. */
uint64_t measure_likeness(struct slice sql);

/* A statement that ended well. */
void measure_add(struct measure *measure, uint64_t likeness,
    const struct registry_engine *config, int engine, const struct engine_end *end,
    int64_t now_us);
/* false: not run there, or not lately. */
bool measure_get(const struct measure *measure, uint64_t likeness, int engine, int64_t now_us,
    double *ret_ms, double *ret_cost);

/* By the registry's prices: of the CPU time (the whole time, of an engine that does not say)
 * and the bytes read. */
double measure_cost(const struct registry_engine *config, const struct engine_end *end);

#endif
