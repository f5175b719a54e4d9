/* SPDX-License-Identifier: Apache-2.0 */
#include "link/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "base/must.h"
#include "link/yaml_tree.h"

/* Two bytes ("{a,b}") can make two nodes of some 110 bytes each: address space, not memory. */
#define YAML_ARENA_SIZE ((size_t)512 * YAML_SIZE_MAX)
enum { MAP_KEYS_MAX = 1000 };

struct reader {
	struct yaml *doc;
	yaml_parser_t parser;
	yaml_env *env;
	void *env_ctx;
	unsigned depth;
};

/* A list being gathered: libyaml does not say how many will come. */
struct gather {
	struct yaml_node **keys, **items;
	size_t count, cap;
};

static const char *
process_env(void *ctx, const char *name)
{
	(void)ctx;
	return getenv(name);
}

static void *
take(struct yaml *doc, size_t len)
{
	void *p = arena_alloc(&doc->arena, len);
	must(p); /* the size of the text bounds the tree */
	memset(p, 0, len);
	return p;
}

static void
gather_add(struct gather *g, struct yaml_node *key, struct yaml_node *item)
{
	if (g->count == g->cap) {
		g->cap = g->cap ? g->cap * 2 : 8;
		g->keys = realloc(g->keys, g->cap * sizeof(struct yaml_node *));
		g->items = realloc(g->items, g->cap * sizeof(struct yaml_node *));
		must(g->keys && g->items);
	}
	g->keys[g->count] = key;
	g->items[g->count++] = item;
}

static struct yaml_node **
keep(struct yaml *doc, struct yaml_node *const *list, size_t count)
{
	struct yaml_node **kept = take(doc, (count + 1) * sizeof *kept);
	if (count)
		memcpy(kept, list, count * sizeof *kept);
	return kept;
}

static struct yaml_node *
node_at(struct yaml *doc, enum yaml_kind kind, yaml_mark_t mark)
{
	struct yaml_node *node = take(doc, sizeof *node);
	node->kind = kind;
	node->doc = doc;
	node->line = (unsigned)mark.line + 1;
	node->column = (unsigned)mark.column + 1;
	return node;
}

static enum fate
refuse_at(struct reader *r, yaml_mark_t mark, const char *why, struct err *err)
{
	return err_set(err, FATE_HALT, "%s:%zu:%zu: %s", r->doc->name, mark.line + 1,
	    mark.column + 1, why);
}

static enum fate
next_event(struct reader *r, yaml_event_t *ret_event, struct err *err)
{
	if (yaml_parser_parse(&r->parser, ret_event))
		return FATE_DONE;
	const yaml_parser_t *p = &r->parser;
	if (p->error == YAML_READER_ERROR)
		return err_set(err, FATE_HALT, "%s: byte %zu: %s", r->doc->name,
		    p->problem_offset, p->problem ? p->problem : "unreadable");
	return refuse_at(r, p->problem_mark, p->problem ? p->problem : "not YAML", err);
}

static enum fate read_node(
    struct reader *r, yaml_event_t *event, struct yaml_node **ret_node, struct err *err);

/* Reads the next node; a NULL one says that the collection has ended. */
static enum fate
read_next(struct reader *r, struct yaml_node **ret_node, struct err *err)
{
	yaml_event_t event;
	enum fate fate = next_event(r, &event, err);
	if (fate != FATE_DONE)
		return fate;
	*ret_node = NULL;
	if (event.type != YAML_MAPPING_END_EVENT && event.type != YAML_SEQUENCE_END_EVENT)
		fate = read_node(r, &event, ret_node, err);
	yaml_event_delete(&event);
	return fate;
}

static enum fate
read_scalar(
    struct reader *r, const yaml_event_t *event, struct yaml_node **ret_node, struct err *err)
{
	struct yaml_node *node = node_at(r->doc, YAML_SCALAR, event->start_mark);
	struct slice raw =
	    slice_of((const char *)event->data.scalar.value, event->data.scalar.length);
	node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	if (memchr(raw.p, 0, raw.len))
		return yaml_error(node, err, "a NUL byte");
	struct buf text = { 0 };
	enum fate fate = yaml_substitute(&text, raw, r->env, r->env_ctx, node, err);
	if (fate == FATE_DONE) {
		struct slice copy = arena_copy(&r->doc->arena, buf_view(&text));
		if (copy.p == NULL)
			fate = yaml_error(node, err, "the document is too large");
		node->text = copy.p;
		node->text_len = copy.len;
	}
	buf_finish(&text);
	*ret_node = node;
	return fate;
}

static enum fate
read_seq(
    struct reader *r, const yaml_event_t *event, struct yaml_node **ret_node, struct err *err)
{
	struct yaml_node *node = node_at(r->doc, YAML_SEQ, event->start_mark), *item = NULL;
	struct gather g = { 0 };
	enum fate fate;
	while ((fate = read_next(r, &item, err)) == FATE_DONE && item)
		gather_add(&g, NULL, item);
	node->items = keep(r->doc, g.items, g.count);
	node->count = g.count;
	free(g.keys);
	free(g.items);
	*ret_node = node;
	return fate;
}

static enum fate
check_key(const struct gather *g, const struct yaml_node *key, struct err *err)
{
	if (key->kind != YAML_SCALAR)
		return yaml_error(key, err, "a key must be a text");
	if (g->count == MAP_KEYS_MAX)
		return yaml_error(key, err, "more than %d keys", MAP_KEYS_MAX);
	for (size_t i = 0; i < g->count; i++)
		if (strcmp(g->keys[i]->text, key->text) == 0)
			return yaml_error(key, err, "key '%s' stands twice, first in line %u",
			    key->text, g->keys[i]->line);
	return FATE_DONE;
}

static enum fate
read_map(
    struct reader *r, const yaml_event_t *event, struct yaml_node **ret_node, struct err *err)
{
	struct yaml_node *node = node_at(r->doc, YAML_MAP, event->start_mark);
	struct gather g = { 0 };
	enum fate fate;
	for (;;) {
		struct yaml_node *key = NULL, *value = NULL;
		if ((fate = read_next(r, &key, err)) != FATE_DONE || key == NULL)
			break;
		if ((fate = check_key(&g, key, err)) != FATE_DONE)
			break;
		if ((fate = read_next(r, &value, err)) != FATE_DONE)
			break;
		gather_add(&g, key, value);
	}
	node->key_nodes = keep(r->doc, g.keys, g.count);
	node->items = keep(r->doc, g.items, g.count);
	node->keys = take(r->doc, (g.count + 1) * sizeof *node->keys);
	node->count = g.count;
	for (size_t i = 0; i < g.count; i++)
		node->keys[i] = g.keys[i]->text;
	free(g.keys);
	free(g.items);
	*ret_node = node;
	return fate;
}

static enum fate
read_collection(
    struct reader *r, yaml_event_t *event, struct yaml_node **ret_node, struct err *err)
{
	if (r->depth == YAML_DEPTH_MAX)
		return refuse_at(r, event->start_mark, "nested too deeply", err);
	r->depth++;
	enum fate fate = event->type == YAML_SEQUENCE_START_EVENT
			     ? read_seq(r, event, ret_node, err)
			     : read_map(r, event, ret_node, err);
	r->depth--;
	return fate;
}

/* What a reader of a pipeline file would have to keep in mind is not taken. */
static const char *
event_refused(const yaml_event_t *event)
{
	const void *anchor = event->data.mapping_start.anchor,
		   *tag = event->data.mapping_start.tag;
	if (event->type == YAML_ALIAS_EVENT)
		return "aliases are not taken";
	if (event->type == YAML_SCALAR_EVENT) {
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
	} else if (event->type == YAML_SEQUENCE_START_EVENT) {
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
	} else {
		must(event->type == YAML_MAPPING_START_EVENT);
	}
	return anchor ? "anchors are not taken" : tag ? "tags are not taken" : NULL;
}

static enum fate
read_node(struct reader *r, yaml_event_t *event, struct yaml_node **ret_node, struct err *err)
{
	const char *why = event_refused(event);
	if (why)
		return refuse_at(r, event->start_mark, why, err);
	return event->type == YAML_SCALAR_EVENT ? read_scalar(r, event, ret_node, err)
						: read_collection(r, event, ret_node, err);
}

/* Stream start, document start, the root, document end, stream end. */
static enum fate
read_document(struct reader *r, struct err *err)
{
	yaml_event_t event;
	bool seen = false;
	for (;;) {
		enum fate fate = next_event(r, &event, err);
		if (fate != FATE_DONE)
			return fate;
		yaml_event_type_t type = event.type;
		if (type == YAML_DOCUMENT_START_EVENT && seen)
			fate = refuse_at(r, event.start_mark, "one document only", err);
		else if (type == YAML_SCALAR_EVENT || type == YAML_ALIAS_EVENT ||
			 type == YAML_SEQUENCE_START_EVENT)
			fate = refuse_at(r, event.start_mark, "expected keys and values", err);
		else if (type == YAML_MAPPING_START_EVENT)
			fate = read_node(r, &event, &r->doc->root, err);
		seen |= type == YAML_DOCUMENT_START_EVENT;
		yaml_event_delete(&event);
		if (fate != FATE_DONE)
			return fate;
		if (type == YAML_STREAM_END_EVENT)
			break;
	}
	if (r->doc->root == NULL)
		return err_set(err, FATE_HALT, "%s:1:1: the file is empty", r->doc->name);
	return FATE_DONE;
}

enum fate
yaml_parse(const char *name, struct slice text, yaml_env *env, void *env_ctx,
    struct yaml **ret_yaml, struct err *err)
{
	if (text.len > YAML_SIZE_MAX)
		return err_set(
		    err, FATE_HALT, "%s:1:1: larger than %d bytes", name, YAML_SIZE_MAX);
	struct yaml *doc = calloc(1, sizeof *doc);
	must(doc);
	arena_init(&doc->arena, YAML_ARENA_SIZE);
	doc->name = arena_copy(&doc->arena, slice_str(name)).p;
	struct reader r = { .doc = doc, .env = env ? env : process_env, .env_ctx = env_ctx };
	must(yaml_parser_initialize(&r.parser));
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.p, text.len);
	enum fate fate = read_document(&r, err);
	yaml_parser_delete(&r.parser);
	if (fate != FATE_DONE) {
		yaml_close(doc);
		return fate;
	}
	*ret_yaml = doc;
	return FATE_DONE;
}

static enum fate
file_error(const char *path, struct err *err)
{
	return err_set(err, FATE_HALT, "%s:1:1: %s", path, strerror(errno));
}

enum fate
yaml_open(const char *path, struct yaml **ret_yaml, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return file_error(path, err);
	struct buf text = { 0 };
	ssize_t got = 1;
	while (got > 0 && text.len <= YAML_SIZE_MAX) {
		buf_grow(&text, 64 << 10);
		got = read(fd, text.p + text.len, 64 << 10);
		text.len += got > 0 ? (size_t)got : 0;
	}
	enum fate fate = got < 0 ? file_error(path, err)
				 : yaml_parse(path, buf_view(&text), NULL, NULL, ret_yaml, err);
	close(fd);
	buf_finish(&text);
	return fate;
}

void
yaml_close(struct yaml *yaml)
{
	if (yaml == NULL)
		return;
	arena_finish(&yaml->arena);
	free(yaml);
}
