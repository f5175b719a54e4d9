/* SPDX-License-Identifier: Apache-2.0 */
/* tools.h -- the commands that ask no server; each has options of its own. argv[0] is the
 * command's name. */
#ifndef SLUICECTL_TOOLS_H
#define SLUICECTL_TOOLS_H

#include "base/err.h"

int decode_main(int argc, char **argv);
int try_main(int argc, char **argv);
int explain_main(int argc, char **argv);
int query_main(int argc, char **argv); /* it asks a running router */
int key_main(int argc, char **argv);
int dlq_main(int argc, char **argv); /* it asks Kafka */

/* Says why on standard error; the exit code. */
int tool_fail(const char *command, const struct err *err);

#endif
