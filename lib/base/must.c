/* SPDX-License-Identifier: Apache-2.0 */
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

void
must_fail(const char *file, int line, const char *func, const char *claim)
{
	(void)fprintf(stderr, "%s:%d: %s: broken promise: %s\n", file, line, func, claim);
	abort();
}
