/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_yaml.c -- any bytes as a pipeline file.
 *
 * Nothing may crash or leak; a refusal is HALT and begins with the file's name; every
 * node of a tree has a place, and each getter agrees to it or refuses it. */
#include "base/must.h"
#include "link/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *
env(void *ctx, const char *name)
{
	(void)ctx;
	return name[0] == 'A' ? "value: [x" : NULL;
}

static void
check(const struct err *err, enum fate fate)
{
	must(fate == FATE_DONE || (fate == FATE_HALT && strncmp(err->what, "f:", 2) == 0));
}

static void
ask(struct yaml_node *node)
{
	static const char *const names[] = { "a", "b", NULL };
	struct err err;
	struct yaml_node *sub = NULL;
	const char *text = NULL;
	const char *const *texts = NULL;
	int64_t integer;
	double real;
	bool flag;
	int index;
	size_t count;
	check(&err, yaml_text(node, NULL, YAML_REQUIRED, &text, &err));
	check(&err, yaml_map(node, NULL, YAML_REQUIRED, &sub, &err));
	check(&err, yaml_seq(node, NULL, YAML_REQUIRED, &sub, &err));
	check(&err, yaml_int(node, NULL, YAML_REQUIRED, -5, 5, &integer, &err));
	check(&err, yaml_real(node, NULL, YAML_REQUIRED, -5, 5, &real, &err));
	check(&err, yaml_bool(node, NULL, YAML_REQUIRED, &flag, &err));
	check(&err, yaml_duration(node, NULL, YAML_REQUIRED, &integer, &err));
	check(&err, yaml_choice(node, NULL, YAML_REQUIRED, names, &index, &err));
	check(&err, yaml_texts(node, NULL, YAML_REQUIRED, &texts, &count, &err));
}

static void
walk(struct yaml_node *node)
{
	must(node->line > 0 && node->column > 0);
	must(node->kind != YAML_SCALAR || (node->text && node->text[node->text_len] == 0));
	ask(node);
	for (size_t i = 0; i < node->count; i++) {
		if (node->kind == YAML_MAP)
			must(yaml_has(node, node->keys[i]) || !node->items[i]->quoted);
		walk(node->items[i]);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of((const char *)data, size);
	struct yaml *doc = NULL;
	struct err err;
	enum fate fate = yaml_parse("f", text, env, NULL, &doc, &err);
	check(&err, fate);
	must((fate == FATE_DONE) == (doc != NULL));
	if (doc) {
		struct yaml_node *root = yaml_root(doc);
		check(&err, yaml_check_all_read(root, &err));
		walk(root);
		must(yaml_check_all_read(root, &err) == FATE_DONE);
	}
	yaml_close(doc);
	return 0;
}
