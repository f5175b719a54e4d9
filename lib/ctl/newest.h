/* SPDX-License-Identifier: Apache-2.0 */
/* newest.h -- the few newest messages of a topic, oldest first by their timestamp. Messages
 * come partition by partition, so in no order; among equal timestamps the later to come is the
 * newer. It owns what it keeps, and frees what it does not. */
#ifndef CTL_NEWEST_H
#define CTL_NEWEST_H

#include <stddef.h>

#include "link/kafka.h"

enum { NEWEST_MAX = 3 };

struct newest {
	struct kafka_message messages[NEWEST_MAX];
	size_t count;
};

void newest_add(struct newest *newest, struct kafka_message *message); /* takes it */
void newest_free(struct newest *newest);

#endif
