/* SPDX-License-Identifier: Apache-2.0 */
/* hook_open.h -- whether a stopped worker left deliveries open that this configuration would
 * send under another body (sink/http_form.h); for --check.
 *
 * It asks Kafka for the group's offsets and changes nothing. While the group has members,
 * what is open says nothing: they finish it when they stop. */
#ifndef WORK_HOOK_OPEN_H
#define WORK_HOOK_OPEN_H

#include "work/worker.h"

struct sink_http_config;

/* HALT: it did. RETRY: Kafka does not answer. */
enum fate hook_open_check(
    const struct work *work, const struct sink_http_config *config, struct err *err) NODISCARD;

#endif
