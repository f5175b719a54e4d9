/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-receiver: a mock webhook API that counts what it gets and answers as told. */
#include "demo/receiver.h"

int
main(int argc, char **argv)
{
	return receiver_main(argc, argv);
}
