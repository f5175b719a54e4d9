/* SPDX-License-Identifier: Apache-2.0 */
#include "work/deadletter.h"

#include <inttypes.h>
#include <stdio.h>

void
deadletter_fill(struct deadletter *letter, const char *topic, int32_t partition_count,
    const struct kafka_message *message, const char *sink, const char *stage, const char *class,
    const char *reason, unsigned attempts)
{
	size_t count = 0;
	struct err ignored;

	/* A message with more headers than fit, or unreadable ones, keeps what fits. */
	if (kafka_message_headers(message, letter->headers,
		DEADLETTER_HEADERS_MAX - DEADLETTER_OWN, &count, &ignored) != FATE_DONE)
		count = 0;
	(void)snprintf(
	    letter->partition, sizeof letter->partition, "%" PRId32, message->partition);
	(void)snprintf(letter->offset, sizeof letter->offset, "%" PRId64, message->offset);
	(void)snprintf(letter->attempts, sizeof letter->attempts, "%u", attempts);
	(void)snprintf(letter->reason, sizeof letter->reason, "%s", reason);
	{
		const struct header own[] = {
			{ SLICE("__connect.errors.topic"), slice_str(message->topic) },
			{ SLICE("__connect.errors.partition"), slice_str(letter->partition) },
			{ SLICE("__connect.errors.offset"), slice_str(letter->offset) },
			{ SLICE("__connect.errors.stage"), slice_str(stage) },
			{ SLICE("__connect.errors.exception.class.name"), slice_str(class) },
			{ SLICE("__connect.errors.exception.message"),
			    slice_str(letter->reason) },
			{ SLICE("sluice.dlq.sink"), slice_str(sink) },
			{ SLICE("sluice.dlq.attempts"), slice_str(letter->attempts) },
		};

		for (size_t i = 0; i < sizeof own / sizeof *own; i++)
			letter->headers[count++] = own[i];
	}
	letter->out = (struct kafka_out){ .topic = topic,
		.partition = message->partition % partition_count,
		.key = message->key,
		.value = message->value,
		.headers = letter->headers,
		.header_count = count };
}
