/* SPDX-License-Identifier: Apache-2.0 */
/* receiver.h -- a mock of somebody's webhook API, for demos and tests.
 *
 * POST to its path is a delivery: the signature is checked, the id (webhook-id, or
 * Idempotency-Key) is looked up, a first arrival's version is compared with its key's
 * last. Of an array each change has an id of its own, and CloudEvents are looked into. GET
 * /stats and GET /ids tell what came, POST /script says how to answer, POST /reset forgets.
 * What is answered with 2xx, or closed after it was read, counts as processed; what is refused
 * leaves no trace but a counter. Handlers lock. */
#ifndef DEMO_RECEIVER_H
#define DEMO_RECEIVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "link/httpd.h"

struct receiver;

struct receiver_options {
	const char *listen;  /* as in httpd.h */
	const char *path;    /* "/events" */
	const char *secrets; /* as in webhook.h; NULL: signatures are not looked at */
	const char *script;  /* the first script, as POST /script takes it; NULL: none */
	size_t ids_max;
	size_t body_max;
};

struct receiver_stats {
	uint64_t requests; /* deliveries tried */
	uint64_t events;   /* processed: distinct + duplicates */
	uint64_t distinct; /* ids that came for the first time */
	uint64_t duplicates;
	uint64_t bad_signature;    /* wrong or stale: answered 401 */
	uint64_t order_violations; /* first arrivals below their key's version */
	uint64_t answered_ok;      /* 2xx */
	uint64_t answered_error;   /* any other, and closed without an answer */
};

/* Listens at once. HALT: a bad secret, script, path or address, or a port in use. */
enum fate receiver_start(const struct receiver_options *options, struct receiver **ret_receiver,
    struct err *err) NODISCARD;
uint16_t receiver_port(const struct receiver *receiver);
void receiver_stats(struct receiver *receiver, struct receiver_stats *ret_stats);
void receiver_stop(struct receiver *receiver); /* accepts NULL */

/* The program: options, signals, the log. Returns the exit code. */
int receiver_main(int argc, char **argv);

#endif
