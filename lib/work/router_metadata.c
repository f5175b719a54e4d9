/* SPDX-License-Identifier: Apache-2.0 */
#include "work/router_statement.h"

enum fate
router_metadata(struct statement *s, struct err *err)
{
	(void)s;
	return err_set(err, FATE_REJECT, "not yet");
}
