/* SPDX-License-Identifier: Apache-2.0 */
/* trino_code.h -- what Trino's error names and its HTTP statuses mean to who asks. Pure.
 *
 * A query fails in a 200: errorName decides, and errorType where the name is not known.
 * NO_NODES_AVAILABLE is an INTERNAL_ERROR by type and passes by itself all the same. */
#ifndef LINK_TRINO_CODE_H
#define LINK_TRINO_CODE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

/* The fate and the nearest SQLSTATE. */
enum fate trino_fate(struct slice error_name, struct slice error_type, const char **ret_code);

/* May a GET that was answered so be sent again? What a gateway says of a server that is
 * busy; a POST never, it could run twice. */
bool trino_status_passes(long status);
/* The fate of a status that is not 200 and is not asked again. */
enum fate trino_status_fate(long status, const char **ret_code);

#endif
