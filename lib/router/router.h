/* SPDX-License-Identifier: Apache-2.0 */
/* router.h -- sluice-router: SQL over HTTP, answered by the engine that fits, with reasons.
 *
 * router_main() reads options and router.yaml, answers --check and --print-config, and
 * serves until SIGTERM: then what is under way is finished, for server.drain at most, and
 * what is not is cancelled; a second SIGTERM does that at once, a third waits for nothing.
 * SIGHUP reads the keys again. Exit codes are those of worker.h. */
#ifndef ROUTER_H
#define ROUTER_H

int router_main(int argc, char **argv);

#endif
