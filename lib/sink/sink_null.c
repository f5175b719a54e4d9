/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sink_ops.h"

static enum fate
null_deliver(void *state, struct record *const *records, size_t count, struct err *err)
{
	(void)state, (void)records, (void)count, (void)err;
	return FATE_DONE;
}

const struct sink_ops sink_null = {
	.name = "null",
	.deliver = null_deliver,
};
