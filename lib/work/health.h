/* SPDX-License-Identifier: Apache-2.0 */
/* health.h -- /metrics, /livez and /readyz of a worker, on a thread of their own.
 *
 * /livez is 503 when there is lag and nothing was acknowledged for HEALTH_STALL_MS;
 * /readyz is 200 when the worker owns its partitions and its target answers.
 * Both bodies say why. The working thread only stores; the HTTP thread only reads. */
#ifndef WORK_HEALTH_H
#define WORK_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { HEALTH_STALL_MS = 300000 };

/* "ADDR:PORT". HALT names the address that is taken. */
enum fate health_listen(const char *address, struct err *err) NODISCARD;
void health_close(void);

void health_ready(bool ready, const char *why);
void health_progress(int64_t acknowledged, int64_t lag, int64_t mono_ms);

#endif
