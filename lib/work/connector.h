/* SPDX-License-Identifier: Apache-2.0 */
/* connector.h -- a pipeline's Debezium connector: its file, and its state at Connect.
 *
 * The file is {"name", "config": {..}}; ${NAME:-default} is replaced in its texts. */
#ifndef WORK_CONNECTOR_H
#define WORK_CONNECTOR_H

#include "base/buf.h"
#include "base/err.h"
#include "link/http.h"
#include "link/yaml.h"
#include "work/pipeline.h"

struct connector {
	struct yaml *yaml;
	const char *name;
	struct yaml_node *config;
};

enum fate connector_read(
    const char *file, struct connector *ret_connector, struct err *err) NODISCARD;
void connector_finish(struct connector *connector);
/* The same connector as Connect holds it, its texts as they are. *ret_there false: Connect
 * does not know it. RETRY: Connect is away. */
enum fate connector_live(const struct connector *connector, struct http_client *connect,
    struct connector *ret_live, bool *ret_there, struct err *err) NODISCARD;

/* A setting's text, or NULL. */
const char *connector_setting(const struct connector *connector, const char *name);
/* Of the replication slot: slot.name, or Debezium's default. */
const char *connector_slot(const struct connector *connector);
/* The configuration as Connect takes it: a JSON object of texts. */
void connector_json(const struct connector *connector, struct buf *out);

/* Creates or updates it. RETRY: Connect is away or rebalancing. */
enum fate connector_put(
    const struct connector *connector, struct http_client *connect, struct err *err) NODISCARD;

/* RUNNING with all tasks RUNNING, at least one: *ret_running. ret_state: in words. */
enum fate connector_state(const struct connector *connector, struct http_client *connect,
    bool *ret_running, struct buf *ret_state, struct err *err) NODISCARD;

#endif
