/* SPDX-License-Identifier: Apache-2.0 */
/* The part `http` of a pipeline file. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "work/pipeline_ops.h"

/* NAME: value, or NAME_file: a file that holds it. */
static enum fate
read_header(struct pipeline *p, struct yaml_node *map, const char *key, struct pipeline_http *h,
    struct err *err)
{
	size_t len = strlen(key);
	const char *value = NULL;
	char name[128], *line = NULL;

	if (len > 5 && strcmp(key + len - 5, "_file") == 0)
		len -= 5;
	if (len >= sizeof name)
		return yaml_error(map, err, "a header's name is too long");
	memcpy(name, key, len);
	name[len] = 0;
	TRY(yaml_text_or_file(map, name, YAML_REQUIRED, &value, err));
	if (h->header_count == PIPELINE_HEADERS_MAX)
		return yaml_error(map, err, "more than %d headers", PIPELINE_HEADERS_MAX);
	must(asprintf(&line, "%s: %s", name, value) > 0);
	h->headers[h->header_count++] = pipeline_own_text(p, line);
	return FATE_DONE;
}

static enum fate
read_headers(
    struct pipeline *p, struct yaml_node *map, struct pipeline_http *h, struct err *err)
{
	struct yaml_node *headers = NULL;

	TRY(yaml_map(map, "headers", YAML_OPTIONAL, &headers, err));
	for (size_t i = 0; headers && i < headers->count; i++)
		TRY(read_header(p, headers, headers->keys[i], h, err));
	return FATE_DONE;
}

/* true, false, or a list of networks. */
static enum fate
read_private(struct yaml_node *map, struct pipeline_http *h, struct err *err)
{
	struct yaml_node *node = yaml_get(map, "allow_private");
	const char *const *nets = NULL;

	if (!node || node->kind != YAML_SEQ)
		return yaml_bool(map, "allow_private", YAML_OPTIONAL, &h->allow_private, err);
	TRY(yaml_texts(map, "allow_private", YAML_REQUIRED, &nets, &h->private_net_count, err));
	if (h->private_net_count > PIPELINE_NETS_MAX)
		return yaml_error(node, err, "more than %d networks", PIPELINE_NETS_MAX);
	for (size_t i = 0; i < h->private_net_count; i++)
		h->private_nets[i] = nets[i];
	return FATE_DONE;
}

static enum fate
read_statuses(struct yaml_node *map, struct pipeline_http *h, struct err *err)
{
	const char *const *texts = NULL;
	size_t count = 0;

	TRY(yaml_texts(map, "done_statuses", YAML_OPTIONAL, &texts, &count, err));
	for (size_t i = 0; i < count; i++) {
		int64_t status;

		if (count > PIPELINE_STATUSES_MAX || !slice_i64(slice_str(texts[i]), &status) ||
		    status < 300 || status > 599)
			return yaml_error(yaml_get(map, "done_statuses"), err,
			    "done_statuses takes up to %d of 300 to 599",
			    PIPELINE_STATUSES_MAX);
		h->done_statuses[h->done_status_count++] = (int)status;
	}
	return FATE_DONE;
}

/* Whom a request is sent to, and by what it is known there. */
static enum fate
read_peer(struct pipeline *p, struct yaml_node *map, struct pipeline_http *h, struct err *err)
{
	TRY(yaml_text(map, "url", YAML_REQUIRED, &h->url, err));
	TRY(yaml_text_or_file(map, "secret", YAML_OPTIONAL, &h->secret, err));
	if (h->secret && !*h->secret)
		h->secret = NULL;
	TRY(yaml_text_or_file(map, "token", YAML_OPTIONAL, &h->token, err));
	if (h->token && !*h->token)
		h->token = NULL;
	TRY(read_headers(p, map, h, err));
	TRY(pipeline_read_path(p, map, "ca", YAML_OPTIONAL, &h->ca_file, err));
	TRY(pipeline_read_path(p, map, "cert", YAML_OPTIONAL, &h->cert_file, err));
	TRY(pipeline_read_path(p, map, "key", YAML_OPTIONAL, &h->key_file, err));
	TRY(yaml_bool(map, "http2", YAML_OPTIONAL, &h->http2, err));
	return read_private(map, h, err);
}

static enum fate
read_body(struct yaml_node *map, struct pipeline_http *h, struct err *err)
{
	static const char *const formats[] = { "change", "row", "cloudevents", NULL };
	static const char *const snapshots[] = { "skip", "deliver", NULL };
	int snapshot = 0, format = 0;

	TRY(yaml_choice(map, "snapshot", YAML_OPTIONAL, snapshots, &snapshot, err));
	TRY(yaml_choice(map, "format", YAML_OPTIONAL, formats, &format, err));
	TRY(yaml_text(map, "body", YAML_OPTIONAL, &h->body, err));
	if (h->body && yaml_has(map, "format"))
		return yaml_error(
		    yaml_get(map, "body"), err, "body and format: one of them says it");
	h->deliver_snapshot = snapshot == 1;
	h->format = (enum pipeline_http_format)format;
	return yaml_int(map, "batch_rows_max", YAML_OPTIONAL, 1, 1000, &h->batch_rows, err);
}

static enum fate
read_destination(
    struct pipeline *p, struct yaml_node *map, struct pipeline_http *h, struct err *err)
{
	TRY(read_peer(p, map, h, err));
	TRY(read_body(map, h, err));
	TRY(read_statuses(map, h, err));
	TRY(yaml_int(map, "lanes", YAML_OPTIONAL, 1, 1024, &h->lanes, err));
	TRY(yaml_duration(map, "timeout", YAML_OPTIONAL, &h->timeout_ms, err));
	TRY(yaml_duration(map, "retry_for", YAML_OPTIONAL, &h->retry_for_ms, err));
	TRY(yaml_duration(map, "pause_max", YAML_OPTIONAL, &h->pause_max_ms, err));
	return yaml_int(
	    map, "in_flight_max", YAML_OPTIONAL, 1, 1000000, &h->in_flight_max, err);
}

static void
set_defaults(struct pipeline_http *h)
{
	*h = (struct pipeline_http){ .worker = "http",
		.lanes = 64,
		.timeout_ms = 10000,
		.in_flight_max = 10000,
		.pause_max_ms = 60000,
		.listen = "127.0.0.1:9104" };
}

/* One of several: its name makes its group, and its own address shows its health. */
static enum fate
read_named(struct pipeline *p, struct yaml_node *map, struct err *err)
{
	struct pipeline_http *h = &p->http[p->http_count];
	char *worker = NULL;

	set_defaults(h);
	if (map->kind != YAML_MAP)
		return yaml_error(map, err, "a destination takes name, url, listen, ...");
	TRY(yaml_text(map, "name", YAML_REQUIRED, &h->name, err));
	if (!*h->name || strlen(h->name) > 32 ||
	    strspn(h->name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != strlen(h->name))
		return yaml_error(yaml_get(map, "name"), err,
		    "a destination's name is 1 to 32 of a-z, 0-9, - and _ (its group is named "
		    "after it)");
	for (size_t i = 0; i < p->http_count; i++)
		if (strcmp(p->http[i].name, h->name) == 0)
			return yaml_error(yaml_get(map, "name"), err,
			    "another destination is called %s", h->name);
	must(asprintf(&worker, "http.%s", h->name) > 0);
	h->worker = pipeline_own_text(p, worker);
	TRY(read_destination(p, map, h, err));
	p->http_count++;
	return yaml_text(map, "listen", YAML_REQUIRED, &h->listen, err);
}

static enum fate
read_all(struct pipeline *p, struct yaml_node *list, struct err *err)
{
	if (list->count == 0 || list->count > PIPELINE_HTTP_MAX)
		return yaml_error(list, err, "1 to %d destinations", PIPELINE_HTTP_MAX);
	for (size_t i = 0; i < list->count; i++)
		TRY(read_named(p, list->items[i], err));
	return FATE_DONE;
}

enum fate
pipeline_read_http(struct pipeline *p, struct yaml_node *root, struct err *err)
{
	struct yaml_node *node = yaml_get(root, "http");

	if (!node)
		return FATE_DONE;
	p->has_http = true;
	if (node->kind == YAML_SEQ)
		return read_all(p, node, err);
	TRY(yaml_map(root, "http", YAML_REQUIRED, &node, err));
	set_defaults(&p->http[p->http_count++]);
	TRY(read_destination(p, node, p->http, err));
	return yaml_text(node, "listen", YAML_OPTIONAL, &p->http->listen, err);
}

static void
print_headers(struct buf *out, const struct pipeline_http *h)
{
	if (h->header_count)
		buf_cstr(out, "  headers:\n    ");
	for (size_t i = 0; i < h->header_count; i++)
		buf_printf(out, "%.*s: '***'\n%s", (int)strcspn(h->headers[i], ":"),
		    h->headers[i], i + 1 < h->header_count ? "    " : "");
}

static void
print_private(struct buf *out, const struct pipeline_http *h)
{
	if (!h->private_net_count) {
		buf_printf(out, "  allow_private: %s\n", h->allow_private ? "true" : "false");
		return;
	}
	for (size_t i = 0; i < h->private_net_count; i++)
		buf_printf(out, "%s'%s'", i ? ", " : "  allow_private: [", h->private_nets[i]);
	buf_cstr(out, "]\n");
}

static void
print_one(const struct pipeline_http *h, struct buf *out)
{
	static const char *const formats[] = { "change", "row", "cloudevents" };

	if (h->name)
		pipeline_print_text(out, "- name", h->name);
	pipeline_print_url(out, "  url", h->url);
	pipeline_print_secret(out, "  secret", h->secret);
	pipeline_print_secret(out, "  token", h->token);
	print_headers(out, h);
	pipeline_print_text(out, "  ca", h->ca_file);
	pipeline_print_text(out, "  cert", h->cert_file);
	pipeline_print_text(out, "  key", h->key_file);
	buf_printf(out, "  http2: %s\n", h->http2 ? "true" : "false");
	print_private(out, h);
	buf_printf(out, "  snapshot: %s\n", h->deliver_snapshot ? "deliver" : "skip");
	if (h->body)
		pipeline_print_text(out, "  body", h->body);
	else
		buf_printf(out, "  format: %s\n", formats[h->format]);
	if (h->batch_rows)
		buf_printf(out, "  batch_rows_max: %" PRId64 "\n", h->batch_rows);
	for (size_t i = 0; i < h->done_status_count; i++)
		buf_printf(out, "%s%d%s", i ? ", " : "  done_statuses: [", h->done_statuses[i],
		    i + 1 < h->done_status_count ? "" : "]\n");
	buf_printf(out,
	    "  lanes: %" PRId64 "\n  timeout: %" PRId64 "ms\n  in_flight_max: %" PRId64
	    "\n  retry_for: %" PRId64 "ms\n  pause_max: %" PRId64 "ms\n",
	    h->lanes, h->timeout_ms, h->in_flight_max, h->retry_for_ms, h->pause_max_ms);
	pipeline_print_text(out, "  listen", h->listen);
}

void
pipeline_print_http(const struct pipeline *p, struct buf *out)
{
	if (p->has_http)
		buf_cstr(out, "http:\n");
	for (size_t i = 0; i < p->http_count; i++)
		print_one(&p->http[i], out);
}
