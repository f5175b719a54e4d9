/* SPDX-License-Identifier: Apache-2.0 */
/* registry_server.h -- the part `server:` of router.yaml: where the router listens, whom
 * it serves and how much. Texts belong to the registry's file. */
#ifndef ENGINE_REGISTRY_SERVER_H
#define ENGINE_REGISTRY_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "link/yaml.h"

/* What one caller may take; 0: no limit. */
struct registry_limits {
	double rate;         /* statements a second, on average; a second's worth at once */
	int64_t concurrency; /* statements under way */
	int64_t rows, bytes; /* of one answer; what is beyond is cut off */
	int64_t time_ms;     /* of one statement */
};

/* What `sluicectl check` writes and looks for where it is carried to. */
struct registry_check {
	const char *write;  /* returns one number; NULL: nothing is written */
	const char *undo;   /* $1: that number; NULL: the row stays */
	const char *read;   /* one number, at least that one when the write is seen */
	const char *engine; /* who answers the read */
};

struct registry_server {
	struct registry_check check;
	const char *listen;
	const char *keys_file;  /* NULL: nobody has a key */
	const char *anonymous;  /* the role of callers without a key; NULL: they are refused */
	const char *audit_file; /* NULL: no audit */
	const char *token_key_file; /* signs read tokens; NULL: a key of this process */
	const char *const *hosts;   /* names by which browsers and who has no key call it */
	size_t host_count;
	struct registry_limits limits; /* of callers that have none of their own */
	int64_t history_max;           /* statements remembered */
	int64_t plans_max;
	int64_t connections_max;
	int64_t results_max;     /* bytes of answers that wait to be fetched, all together */
	int64_t results_keep_ms; /* how long they wait */
	int64_t token_wait_ms;   /* how long a read waits for what its token stands for */
	int64_t drain_ms;        /* after SIGTERM */
};

void registry_server_defaults(struct registry_server *server);
enum fate registry_read_server(
    struct registry_server *server, struct yaml_node *map, struct err *err) NODISCARD;
/* A key's own limits, written as in `limits:`. */
enum fate registry_read_limits(
    struct registry_limits *limits, struct yaml_node *map, struct err *err) NODISCARD;

#endif
