/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/registry_server.h"

#define TRY(call)                                                                              \
	do {                                                                                   \
		enum fate try_fate = (call);                                                   \
		if (try_fate != FATE_DONE)                                                     \
			return try_fate;                                                       \
	} while (0)

void
registry_server_defaults(struct registry_server *server)
{
	*server = (struct registry_server){
		.listen = "127.0.0.1:8000",
		.limits = { .concurrency = 64, .bytes = 1 << 30, .time_ms = 60000 },
		.history_max = 1000,
		.plans_max = 4096,
		.connections_max = 16384,
		.results_max = 64 << 20,
		.results_keep_ms = 600000,
		.token_wait_ms = 2000,
		.drain_ms = 30000,
	};
}

enum fate
registry_read_limits(struct registry_limits *limits, struct yaml_node *map, struct err *err)
{
	TRY(yaml_real(map, "rate", YAML_OPTIONAL, 0, 1e9, &limits->rate, err));
	TRY(yaml_int(map, "concurrency", YAML_OPTIONAL, 0, 100000, &limits->concurrency, err));
	TRY(yaml_int(map, "rows", YAML_OPTIONAL, 0, INT64_MAX, &limits->rows, err));
	TRY(yaml_int(map, "bytes", YAML_OPTIONAL, 0, INT64_MAX, &limits->bytes, err));
	return yaml_duration(map, "time", YAML_OPTIONAL, &limits->time_ms, err);
}

static enum fate
read_check(struct registry_check *c, struct yaml_node *map, struct err *err)
{
	TRY(yaml_text(map, "write", YAML_REQUIRED, &c->write, err));
	TRY(yaml_text(map, "undo", YAML_OPTIONAL, &c->undo, err));
	TRY(yaml_text(map, "read", YAML_REQUIRED, &c->read, err));
	return yaml_text(map, "engine", YAML_REQUIRED, &c->engine, err);
}

enum fate
registry_read_server(struct registry_server *s, struct yaml_node *map, struct err *err)
{
	struct yaml_node *limits = NULL, *check = NULL;

	TRY(yaml_map(map, "check", YAML_OPTIONAL, &check, err));
	if (check)
		TRY(read_check(&s->check, check, err));
	TRY(yaml_text(map, "listen", YAML_OPTIONAL, &s->listen, err));
	TRY(yaml_text(map, "keys_file", YAML_OPTIONAL, &s->keys_file, err));
	TRY(yaml_text(map, "anonymous", YAML_OPTIONAL, &s->anonymous, err));
	TRY(yaml_text(map, "audit_file", YAML_OPTIONAL, &s->audit_file, err));
	TRY(yaml_text(map, "token_key_file", YAML_OPTIONAL, &s->token_key_file, err));
	TRY(yaml_texts(map, "hosts", YAML_OPTIONAL, &s->hosts, &s->host_count, err));
	TRY(yaml_int(map, "history_max", YAML_OPTIONAL, 0, 1000000, &s->history_max, err));
	TRY(yaml_int(map, "plans_max", YAML_OPTIONAL, 1, 1000000, &s->plans_max, err));
	TRY(yaml_int(
	    map, "connections_max", YAML_OPTIONAL, 1, 1000000, &s->connections_max, err));
	TRY(yaml_int(map, "results_max", YAML_OPTIONAL, 1 << 20, (int64_t)1 << 40,
	    &s->results_max, err));
	TRY(yaml_duration(map, "results_keep", YAML_OPTIONAL, &s->results_keep_ms, err));
	TRY(yaml_duration(map, "token_wait", YAML_OPTIONAL, &s->token_wait_ms, err));
	TRY(yaml_duration(map, "drain", YAML_OPTIONAL, &s->drain_ms, err));
	TRY(yaml_map(map, "limits", YAML_OPTIONAL, &limits, err));
	return limits ? registry_read_limits(&s->limits, limits, err) : FATE_DONE;
}
