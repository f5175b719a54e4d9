/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot.h -- what pg_current_snapshot() says: "xmin:xmax:xip,xip". */
#ifndef WORK_SNAPSHOT_H
#define WORK_SNAPSHOT_H

#include <stdbool.h>

#include "base/slice.h"

/* Does the snapshot see the transaction (32 bits, as Debezium's source.txId)? A text
 * that is no snapshot sees nothing. Format: PostgreSQL 15 documentation, pg_snapshot. */
bool snapshot_sees(struct slice snapshot, uint32_t tx_id);

#endif
