/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-generate: writes a pipeline's Postgres tables as an application would. */
#include "demo/generate.h"

int
main(int argc, char **argv)
{
	return generate_main(argc, argv);
}
