/* SPDX-License-Identifier: Apache-2.0 */
#include "work/deadletter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Behind the message's own, and found again by the first of them: letter.c. */
static void
own_fill(struct deadletter *letter, const struct kafka_message *message,
    const struct deadletter_why *why)
{
	const struct header own[] = {
		{ SLICE("__connect.errors.topic"), slice_str(message->topic) },
		{ SLICE("__connect.errors.partition"), slice_str(letter->partition) },
		{ SLICE("__connect.errors.offset"), slice_str(letter->offset) },
		{ SLICE("__connect.errors.stage"), slice_str(why->stage) },
		{ SLICE("__connect.errors.exception.class.name"), slice_str(why->class) },
		{ SLICE("__connect.errors.exception.message"), slice_str(letter->reason) },
		{ SLICE("sluice.dlq.sink"), slice_str(why->sink) },
		{ SLICE("sluice.dlq.attempts"), slice_str(letter->attempts) },
		{ SLICE(DEADLETTER_GENERATION), slice_str(letter->generation) },
		{ SLICE(DEADLETTER_OMITTED), slice_str(letter->omitted) },
	};

	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (own[i].value.len || i < 8)
			letter->headers[letter->out.header_count++] = own[i];
}

/* The letter without its value, and without key and headers if that is still too much. */
static void
shrink(struct deadletter *letter, size_t size_max, const struct kafka_message *message,
    const struct deadletter_why *why, size_t count)
{
	(void)snprintf(
	    letter->omitted, sizeof letter->omitted, "value of %zu bytes", message->value.len);
	letter->out.value = (struct slice){ 0 };
	letter->out.header_count = count;
	own_fill(letter, message, why);
	if (kafka_out_size(&letter->out) <= size_max)
		return;
	(void)snprintf(letter->omitted, sizeof letter->omitted,
	    "key, headers, and value of %zu bytes", message->value.len);
	letter->out.key = (struct slice){ 0 };
	letter->out.header_count = 0;
	own_fill(letter, message, why);
}

void
deadletter_fill(struct deadletter *letter, const char *topic, int32_t partition_count,
    size_t size_max, const struct kafka_message *message, const struct deadletter_why *why)
{
	size_t count = 0;
	struct err ignored;

	/* A message with more headers than fit, or unreadable ones, keeps none. */
	if (kafka_message_headers(message, letter->headers,
		DEADLETTER_HEADERS_MAX - DEADLETTER_OWN, &count, &ignored) != FATE_DONE)
		count = 0;
	letter->generation[0] = letter->omitted[0] = '\0';
	(void)snprintf(
	    letter->partition, sizeof letter->partition, "%" PRId32, message->partition);
	(void)snprintf(letter->offset, sizeof letter->offset, "%" PRId64, message->offset);
	(void)snprintf(letter->attempts, sizeof letter->attempts, "%u", why->attempts);
	(void)snprintf(letter->reason, sizeof letter->reason, "%s", why->reason);
	if (why->generation >= 0)
		(void)snprintf(
		    letter->generation, sizeof letter->generation, "%" PRId64, why->generation);
	letter->out = (struct kafka_out){ .topic = topic,
		.partition = message->partition % partition_count,
		.key = message->key,
		.value = message->value,
		.headers = letter->headers,
		.header_count = count };
	own_fill(letter, message, why);
	if (kafka_out_size(&letter->out) > size_max)
		shrink(letter, size_max, message, why, count);
}
