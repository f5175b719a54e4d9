/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/newest.h"

#include <string.h>

void
newest_add(struct newest *newest, struct kafka_message *message)
{
	struct kafka_message *kept = newest->messages;
	size_t at = newest->count;

	while (at > 0 && kept[at - 1].timestamp_ms > message->timestamp_ms)
		at--;
	if (newest->count < NEWEST_MAX) {
		memmove(&kept[at + 1], &kept[at], (newest->count - at) * sizeof *kept);
		kept[at] = *message;
		newest->count++;
		return;
	}
	if (at == 0) { /* older than all of them */
		kafka_message_free(message);
		return;
	}
	kafka_message_free(&kept[0]);
	memmove(&kept[0], &kept[1], (at - 1) * sizeof *kept);
	kept[at - 1] = *message;
}

void
newest_free(struct newest *newest)
{
	for (size_t i = 0; i < newest->count; i++)
		kafka_message_free(&newest->messages[i]);
	newest->count = 0;
}
