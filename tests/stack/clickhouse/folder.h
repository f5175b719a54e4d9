/* SPDX-License-Identifier: Apache-2.0 */
/* folder.h -- the data folder: one process at a time, and the engine's settings.
 *
 * folder_claim() makes the folder, locks it until the process ends (so also after
 * kill -9) and writes the engine's configuration into it: bounds for memory, which
 * the engine would otherwise take from the size of the machine. */
#ifndef CLICKHOUSE_FOLDER_H
#define CLICKHOUSE_FOLDER_H

#include <stdint.h>

#include "base/err.h"

enum { FOLDER_PATH_SIZE = 4096 };

struct folder {
	char path[FOLDER_PATH_SIZE];        /* absolute */
	char config[FOLDER_PATH_SIZE + 64]; /* the engine's --config-file */
};

/* HALT: not a folder, held by another process, not writable. */
enum fate folder_claim(
    const char *path, int64_t memory_mb, struct folder *ret_folder, struct err *err) NODISCARD;

#endif
