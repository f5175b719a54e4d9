/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "link/yaml.h"

static const char *
env(void *ctx, const char *name)
{
	(void)ctx;
	if (strcmp(name, "HOST") == 0)
		return "example.org";
	return strcmp(name, "EMPTY") == 0 ? "" : NULL;
}

static struct yaml *
parsed(const char *text)
{
	struct yaml *doc = NULL;
	struct err err = { 0 };
	if (yaml_parse("t.yaml", slice_str(text), env, NULL, &doc, &err) != FATE_DONE)
		fail_msg("%s", err.what);
	return doc;
}

static void
refused(const char *text, const char *what)
{
	struct yaml *doc = NULL;
	struct err err = { 0 };
	assert_int_equal(
	    yaml_parse("t.yaml", slice_str(text), env, NULL, &doc, &err), FATE_HALT);
	assert_null(doc);
	assert_int_equal(err.fate, FATE_HALT);
	assert_string_equal(err.what, what);
}

static void
test_tree_knows_places(void **state)
{
	(void)state;
	struct yaml *doc = parsed("a: 1\nb:\n  - x\n  - \"2\"\nc: {d: e}\n");
	struct yaml_node *root = yaml_root(doc);
	assert_string_equal(yaml_name(doc), "t.yaml");
	assert_int_equal(root->kind, YAML_MAP);
	assert_int_equal(root->count, 3);
	assert_string_equal(root->keys[1], "b");
	assert_int_equal(root->key_nodes[1]->line, 2);
	struct yaml_node *b = yaml_get(root, "b");
	assert_int_equal(b->kind, YAML_SEQ);
	assert_int_equal(b->count, 2);
	assert_string_equal(b->items[0]->text, "x");
	assert_false(b->items[0]->quoted);
	assert_true(b->items[1]->quoted);
	assert_int_equal(b->items[1]->line, 4);
	assert_int_equal(b->items[1]->column, 5);
	assert_string_equal(yaml_get(yaml_get(root, "c"), "d")->text, "e");
	assert_null(yaml_get(root, "zzz"));
	yaml_close(doc);
	yaml_close(NULL);
}

static void
test_refusals(void **state)
{
	(void)state;
	refused("", "t.yaml:1:1: the file is empty");
	refused("# nothing\n", "t.yaml:1:1: the file is empty");
	refused("- a\n", "t.yaml:1:1: expected keys and values");
	refused("text\n", "t.yaml:1:1: expected keys and values");
	refused("a: 1\nb: 2\na: 3\n", "t.yaml:3:1: key 'a' stands twice, first in line 1");
	refused("a: &x 1\n", "t.yaml:1:4: anchors are not taken");
	refused("a: &x [1]\n", "t.yaml:1:4: anchors are not taken");
	refused("a: *x\n", "t.yaml:1:4: aliases are not taken");
	refused("a: !!str 1\n", "t.yaml:1:4: tags are not taken");
	refused("a: !x {b: c}\n", "t.yaml:1:4: tags are not taken");
	refused("a: 1\n---\nb: 2\n", "t.yaml:2:1: one document only");
	refused("[1, 2]: 3\n", "t.yaml:1:1: a key must be a text");
	refused("a: {[1]: 3}\n", "t.yaml:1:5: a key must be a text");
	refused("a: b: c\n", "t.yaml:1:5: mapping values are not allowed in this context");
	refused("a: \"\\0\"\n", "t.yaml:1:4: a NUL byte");
	refused("a: [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]\n", "t.yaml:1:19: nested too deeply");
}

static void
test_size_and_bytes_are_bounded(void **state)
{
	(void)state;
	struct yaml *doc = NULL;
	struct err err = { 0 };
	char *big = malloc(YAML_SIZE_MAX + 1);
	assert_non_null(big);
	memset(big, '#', YAML_SIZE_MAX + 1);
	assert_int_equal(
	    yaml_parse("t", slice_of(big, YAML_SIZE_MAX + 1), env, NULL, &doc, &err),
	    FATE_HALT);
	assert_string_equal(err.what, "t:1:1: larger than 1048576 bytes");
	/* The most nodes a byte: "{a}," again and again must fit the arena. */
	memcpy(big, "a: [", 4);
	for (size_t i = 4; i + 4 < YAML_SIZE_MAX; i += 4)
		memcpy(big + i, "{a},", 4);
	memcpy(big + YAML_SIZE_MAX - 4, "{}]\n", 4);
	assert_int_equal(
	    yaml_parse("t", slice_of(big, YAML_SIZE_MAX), env, NULL, &doc, &err), FATE_DONE);
	yaml_close(doc);
	free(big);
	assert_int_equal(
	    yaml_parse("t", SLICE("a: \xff\xfe\n"), env, NULL, &doc, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "UTF-8"));
}

static void
test_too_many_keys(void **state)
{
	(void)state;
	char text[16000];
	size_t len = 0;
	for (int i = 0; i < 1001; i++)
		len += (size_t)snprintf(text + len, sizeof text - len, "k%d: 1\n", i);
	refused(text, "t.yaml:1001:1: more than 1000 keys");
}

static void
test_substitution(void **state)
{
	(void)state;
	struct yaml *doc = parsed("a: http://${HOST}/${NOPE:-x y}\n"
				  "b: '${HOST}'\n"
				  "c: $${HOST} $x\n"
				  "d: ${EMPTY:-full}-${EMPTY}-\n"
				  "e: ${NOPE:-}\n");
	struct yaml_node *root = yaml_root(doc);
	assert_string_equal(yaml_get(root, "a")->text, "http://example.org/x y");
	assert_string_equal(yaml_get(root, "b")->text, "example.org");
	assert_string_equal(yaml_get(root, "c")->text, "${HOST} $x");
	assert_string_equal(yaml_get(root, "d")->text, "full--");
	assert_null(yaml_get(root, "e"));
	yaml_close(doc);
	refused("a:\n  b: x${NOPE}\n", "t.yaml:2:6: the variable NOPE is not set");
	refused("a: ${NOPE\n", "t.yaml:1:4: '${' without '}'");
	refused("a: ${1X}\n", "t.yaml:1:4: '${1X}' is not ${NAME} or ${NAME:-default}");
	refused("a: ${A-b}\n", "t.yaml:1:4: '${A-b}' is not ${NAME} or ${NAME:-default}");
	refused("a: ${}\n", "t.yaml:1:4: '${}' is not ${NAME} or ${NAME:-default}");
}

static void
test_scalars(void **state)
{
	(void)state;
	struct yaml *doc = parsed("text: hello\nint: 42\nreal: 0.5\nyes: true\nno: false\n"
				  "wait: 250ms\npick: b\nnull: ~\n");
	struct yaml_node *root = yaml_root(doc);
	struct err err = { 0 };
	const char *text = NULL;
	const char *const names[] = { "a", "b", NULL };
	int64_t number = 7;
	double real = 0;
	bool flag = false;
	int index = -1;
	assert_int_equal(yaml_text(root, "text", YAML_REQUIRED, &text, &err), FATE_DONE);
	assert_string_equal(text, "hello");
	assert_int_equal(yaml_int(root, "int", YAML_REQUIRED, 0, 50, &number, &err), FATE_DONE);
	assert_int_equal(number, 42);
	assert_int_equal(yaml_real(root, "real", YAML_REQUIRED, 0, 1, &real, &err), FATE_DONE);
	assert_true(real > 0.49 && real < 0.51);
	assert_int_equal(yaml_bool(root, "yes", YAML_REQUIRED, &flag, &err), FATE_DONE);
	assert_true(flag);
	assert_int_equal(yaml_bool(root, "no", YAML_REQUIRED, &flag, &err), FATE_DONE);
	assert_false(flag);
	assert_int_equal(yaml_duration(root, "wait", YAML_REQUIRED, &number, &err), FATE_DONE);
	assert_int_equal(number, 250);
	assert_int_equal(
	    yaml_choice(root, "pick", YAML_REQUIRED, names, &index, &err), FATE_DONE);
	assert_int_equal(index, 1);
	number = 7;
	assert_int_equal(
	    yaml_int(root, "absent", YAML_OPTIONAL, 0, 1, &number, &err), FATE_DONE);
	assert_int_equal(yaml_int(root, "null", YAML_OPTIONAL, 0, 1, &number, &err), FATE_DONE);
	assert_int_equal(number, 7);
	assert_false(yaml_has(root, "null"));
	assert_true(yaml_has(root, "int"));
	assert_int_equal(yaml_check_all_read(root, &err), FATE_DONE);
	yaml_close(doc);
}

static void
expect(enum fate fate, const struct err *err, const char *what)
{
	assert_int_equal(fate, FATE_HALT);
	assert_string_equal(err->what, what);
}

static void
test_wrong_types(void **state)
{
	(void)state;
	struct yaml *doc = parsed("text: hello\nquoted: '1'\nlist: [a]\nmap: {a: 1}\nbig: 99\n"
				  "nan: nan\n");
	struct yaml_node *root = yaml_root(doc), *node = NULL;
	struct err e = { 0 };
	const char *text = NULL;
	const char *const names[] = { "a", "b", NULL };
	int64_t number = 7;
	double real = 3;
	bool flag = false;
	int index = -1;
	expect(yaml_int(root, "text", YAML_REQUIRED, 0, 1, &number, &e), &e,
	    "t.yaml:1:7: 'text' must be a whole number, not 'hello'");
	expect(yaml_int(root, "quoted", YAML_REQUIRED, 0, 1, &number, &e), &e,
	    "t.yaml:2:9: 'quoted' must be a whole number, not '1'");
	expect(yaml_int(root, "big", YAML_REQUIRED, 0, 9, &number, &e), &e,
	    "t.yaml:5:6: 'big' must be between 0 and 9, not 99");
	expect(yaml_real(root, "big", YAML_REQUIRED, 0, 9.5, &real, &e), &e,
	    "t.yaml:5:6: 'big' must be between 0 and 9.5, not 99");
	expect(yaml_real(root, "nan", YAML_REQUIRED, 0, 1, &real, &e), &e,
	    "t.yaml:6:6: 'nan' must be a number, not 'nan'");
	expect(yaml_bool(root, "text", YAML_REQUIRED, &flag, &e), &e,
	    "t.yaml:1:7: 'text' must be true or false, not 'hello'");
	expect(yaml_duration(root, "text", YAML_REQUIRED, &number, &e), &e,
	    "t.yaml:1:7: 'text' must be a time such as 250ms, 5s, 10m, not 'hello'");
	expect(yaml_choice(root, "text", YAML_REQUIRED, names, &index, &e), &e,
	    "t.yaml:1:7: 'text' must be one of a, b, not 'hello'");
	expect(yaml_text(root, "list", YAML_REQUIRED, &text, &e), &e,
	    "t.yaml:3:7: 'list' must be a single value");
	expect(yaml_map(root, "list", YAML_OPTIONAL, &node, &e), &e,
	    "t.yaml:3:7: 'list' must be keys and values");
	expect(yaml_seq(root, "map", YAML_OPTIONAL, &node, &e), &e,
	    "t.yaml:4:6: 'map' must be a list");
	expect(yaml_text(root, "gone", YAML_REQUIRED, &text, &e), &e,
	    "t.yaml:1:1: 'gone' is missing");
	assert_null(text);
	assert_null(node);
	assert_int_equal(number, 7);
	yaml_close(doc);
}

static void
test_lists(void **state)
{
	(void)state;
	struct yaml *doc = parsed("many: [a, b]\none: c\nbad: [[d]]\nmap: {e: f}\n");
	struct yaml_node *root = yaml_root(doc);
	struct err e = { 0 };
	const char *const *texts = NULL;
	size_t count = 0;
	assert_int_equal(
	    yaml_texts(root, "many", YAML_REQUIRED, &texts, &count, &e), FATE_DONE);
	assert_int_equal(count, 2);
	assert_string_equal(texts[1], "b");
	assert_null(texts[2]);
	assert_int_equal(yaml_texts(root, "one", YAML_REQUIRED, &texts, &count, &e), FATE_DONE);
	assert_int_equal(count, 1);
	assert_string_equal(texts[0], "c");
	expect(yaml_texts(root, "bad", YAML_REQUIRED, &texts, &count, &e), &e,
	    "t.yaml:3:7: 'this' must be a single value");
	expect(yaml_texts(root, "map", YAML_REQUIRED, &texts, &count, &e), &e,
	    "t.yaml:4:6: 'map' must be a list");
	expect(yaml_texts(root, "gone", YAML_REQUIRED, &texts, &count, &e), &e,
	    "t.yaml:1:1: 'gone' is missing");
	assert_int_equal(
	    yaml_texts(root, "gone", YAML_OPTIONAL, &texts, &count, &e), FATE_DONE);
	yaml_close(doc);
}

static void
test_unknown_keys(void **state)
{
	(void)state;
	struct yaml *doc = parsed("a: 1\nb:\n  c: 2\n  dd: 3\nlist:\n  - {x: 1, y: 2}\n");
	struct yaml_node *root = yaml_root(doc), *b = NULL, *list = NULL;
	struct err e = { 0 };
	const char *text = NULL;
	assert_int_equal(yaml_text(root, "a", YAML_REQUIRED, &text, &e), FATE_DONE);
	expect(yaml_check_all_read(root, &e), &e, "t.yaml:2:1: unknown key 'b'");
	assert_int_equal(yaml_map(root, "b", YAML_REQUIRED, &b, &e), FATE_DONE);
	assert_int_equal(yaml_text(b, "c", YAML_REQUIRED, &text, &e), FATE_DONE);
	expect(yaml_check_all_read(root, &e), &e, "t.yaml:4:3: unknown key 'dd'");
	assert_int_equal(yaml_text(b, "dd", YAML_REQUIRED, &text, &e), FATE_DONE);
	assert_int_equal(yaml_seq(root, "list", YAML_REQUIRED, &list, &e), FATE_DONE);
	assert_int_equal(yaml_text(list->items[0], "x", YAML_REQUIRED, &text, &e), FATE_DONE);
	expect(yaml_check_all_read(root, &e), &e, "t.yaml:6:12: unknown key 'y'");
	yaml_close(doc);
}

static void
write_file(char *path, const char *text)
{
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
test_files_and_secrets(void **state)
{
	(void)state;
	char secret[] = "/tmp/sluice_yaml_XXXXXX", file[] = "/tmp/sluice_yaml_XXXXXX";
	char text[256];
	write_file(secret, "hunter2\r\n");
	(void)snprintf(text, sizeof text,
	    "password_file: %s\nplain: p\nboth: x\nboth_file: y\nlost_file: /nonexistent\n",
	    secret);
	write_file(file, text);
	struct yaml *doc = NULL;
	struct err e = { 0 };
	const char *value = NULL;
	assert_int_equal(yaml_open(file, &doc, &e), FATE_DONE);
	struct yaml_node *root = yaml_root(doc);
	assert_int_equal(
	    yaml_text_or_file(root, "password", YAML_REQUIRED, &value, &e), FATE_DONE);
	assert_string_equal(value, "hunter2");
	assert_int_equal(
	    yaml_text_or_file(root, "plain", YAML_REQUIRED, &value, &e), FATE_DONE);
	assert_string_equal(value, "p");
	assert_int_equal(yaml_text_or_file(root, "both", YAML_REQUIRED, &value, &e), FATE_HALT);
	assert_non_null(strstr(e.what, ":4:12: 'both' and 'both_file' stand both"));
	assert_int_equal(yaml_text_or_file(root, "lost", YAML_OPTIONAL, &value, &e), FATE_HALT);
	assert_non_null(strstr(e.what, "/nonexistent: No such file"));
	assert_int_equal(yaml_text_or_file(root, "none", YAML_OPTIONAL, &value, &e), FATE_DONE);
	expect(yaml_text_or_file(root, "none", YAML_REQUIRED, &value, &e), &e, e.what);
	assert_non_null(strstr(e.what, ":1:1: 'none' is missing"));
	assert_int_equal(yaml_check_all_read(root, &e), FATE_DONE);
	yaml_close(doc);
	unlink(secret);
	unlink(file);
	expect(yaml_open("/nonexistent.yaml", &doc, &e), &e,
	    "/nonexistent.yaml:1:1: No such file or directory");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree_knows_places),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_size_and_bytes_are_bounded),
		cmocka_unit_test(test_too_many_keys),
		cmocka_unit_test(test_substitution),
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_wrong_types),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_unknown_keys),
		cmocka_unit_test(test_files_and_secrets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
