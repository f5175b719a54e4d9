/* SPDX-License-Identifier: Apache-2.0 */
/* receiver_script.h -- scripted answers of a receiver: what it says to the next requests.
 *
 * A script is a JSON list of steps, or one step:
 *   {"status": 429, "times": 3, "retry_after": "2", "delay_ms": 0, "stall_ms": 0,
 *    "close": false, "match": "text"}
 * A step answers `times` requests (1; 0: until the next script) and is then gone; one
 * with `match` only those whose body holds that text. `stall_ms` is
 * the time between the halves of the answer's body; `close` ends the connection without an
 * answer. The first step that fits answers. Unknown members are refused. */
#ifndef DEMO_RECEIVER_SCRIPT_H
#define DEMO_RECEIVER_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

enum { SCRIPT_STEPS_MAX = 64, SCRIPT_MATCH_MAX = 128, SCRIPT_RETRY_AFTER_MAX = 64 };

struct script_step {
	unsigned status; /* 200 */
	int64_t times;   /* left; 0: for ever */
	int64_t delay_ms;
	int64_t stall_ms;
	bool close;
	char retry_after[SCRIPT_RETRY_AFTER_MAX]; /* sent as it is; "": none */
	char match[SCRIPT_MATCH_MAX];             /* "": every request */
};

struct script {
	struct script_step steps[SCRIPT_STEPS_MAX];
	size_t count;
};

/* Replaces the script. REJECT says what is wrong; the old one stays. */
enum fate script_read(struct script *script, struct slice json, struct err *err) NODISCARD;

/* The step for a request with this body, counted down; false: nothing is scripted. */
bool script_next(struct script *script, struct slice body, struct script_step *ret_step);

#endif
