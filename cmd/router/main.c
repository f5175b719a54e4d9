/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-router: SQL over HTTP, answered by the engine that fits, with reasons. */
#include "router/router.h"

int
main(int argc, char **argv)
{
	return router_main(argc, argv);
}
