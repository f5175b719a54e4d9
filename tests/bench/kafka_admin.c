/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_admin.c -- lib/link/kafka_admin against a real broker, a step a line.
 *
 *   kafka_admin BROKERS create TOPIC PARTITIONS [KEY VALUE]...
 *   kafka_admin BROKERS delete TOPIC
 *   kafka_admin BROKERS config TOPIC NAME
 *   kafka_admin BROKERS ends TOPIC [MS]
 *   kafka_admin BROKERS group GROUP
 *   kafka_admin BROKERS drop-group GROUP
 *   kafka_admin BROKERS offsets GROUP TOPIC
 *   kafka_admin BROKERS set-offsets GROUP TOPIC OFFSET METADATA
 *
 * tests/integration/test_kafka.py compares what it prints with confluent-kafka. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "link/kafka_admin.h"

enum { PARTS_MAX = 64, CONFIGS_MAX = 8, TIMEOUT_MS = 15000 };

static struct kafka_admin *admin;
static struct arena arena;
static struct kafka_part parts[PARTS_MAX];
static size_t part_count;

static void
check(enum fate fate, const struct err *err)
{
	if (fate == FATE_DONE)
		return;
	printf("%s %s %s\n", fate_name(fate), err->code, err->what);
	exit(1);
}

static void
find_parts(const char *topic)
{
	struct err err;
	int32_t count;

	check(kafka_admin_partitions(admin, topic, &count, &err), &err);
	must(count <= PARTS_MAX);
	for (int32_t p = 0; p < count; p++)
		parts[part_count++] = (struct kafka_part){ .topic = topic, .partition = p };
}

static void
print_parts(void)
{
	for (size_t i = 0; i < part_count; i++)
		printf("%" PRId32 " %" PRId64 " %.*s\n", parts[i].partition, parts[i].offset,
		    SLICE_ARG(parts[i].metadata));
}

static void
create(int argc, char **argv)
{
	struct kafka_property configs[CONFIGS_MAX];
	struct kafka_topic_spec spec = { .name = argv[3], .configs = configs };
	bool created;
	struct err err;
	int64_t count;

	must(argc >= 5 && slice_i64(slice_str(argv[4]), &count));
	spec.partitions = (int32_t)count;
	for (int i = 5; i + 1 < argc && spec.config_count < CONFIGS_MAX; i += 2)
		configs[spec.config_count++] = (struct kafka_property){ argv[i], argv[i + 1] };
	check(kafka_admin_create_topic(admin, &spec, &created, &err), &err);
	printf("%s\n", created ? "created" : "existed");
}

static void
config(const char *topic, const char *name)
{
	struct slice value;
	struct err err;

	check(kafka_admin_topic_config(admin, topic, name, &arena, &value, &err), &err);
	printf("%.*s\n", SLICE_ARG(value.p ? value : SLICE("(none)")));
}

static void
group(const char *name)
{
	struct kafka_group found;
	struct err err;

	check(kafka_admin_group(admin, name, &arena, &found, &err), &err);
	printf("%s %zu\n", found.state, found.member_count);
	for (size_t i = 0; i < found.member_count; i++) {
		printf("member [%s]", found.members[i].instance);
		for (size_t k = 0; k < found.members[i].part_count; k++)
			printf(" %s/%" PRId32, found.members[i].parts[k].topic,
			    found.members[i].parts[k].partition);
		printf("\n");
	}
}

static void
ends(const char *topic, const char *at)
{
	int64_t at_ms = KAFKA_AT_END;
	struct err err;

	must(!at || slice_i64(slice_str(at), &at_ms));
	find_parts(topic);
	check(kafka_admin_offsets_at(admin, at_ms, parts, part_count, &err), &err);
	print_parts();
}

static void
offsets(const char *name, const char *topic)
{
	struct err err;

	find_parts(topic);
	check(kafka_admin_group_offsets(admin, name, parts, part_count, &arena, &err), &err);
	print_parts();
}

static void
set_offsets(char **argv)
{
	int64_t offset;
	struct err err;

	must(slice_i64(slice_str(argv[5]), &offset));
	find_parts(argv[4]);
	for (size_t i = 0; i < part_count; i++) {
		parts[i].offset = offset;
		parts[i].metadata = slice_str(argv[6]);
	}
	check(kafka_admin_set_group_offsets(admin, argv[3], parts, part_count, &err), &err);
}

int
main(int argc, char **argv)
{
	struct kafka_conf conf = { .brokers = argc > 3 ? argv[1] : NULL };
	struct err err;

	if (argc < 4)
		return 2;
	arena_init(&arena, 1 << 20);
	check(kafka_admin_open(&admin, &conf, TIMEOUT_MS, &err), &err);
	if (strcmp(argv[2], "create") == 0)
		create(argc, argv);
	else if (strcmp(argv[2], "delete") == 0)
		check(kafka_admin_delete_topic(admin, argv[3], &err), &err);
	else if (strcmp(argv[2], "config") == 0 && argc > 4)
		config(argv[3], argv[4]);
	else if (strcmp(argv[2], "ends") == 0)
		ends(argv[3], argv[4]);
	else if (strcmp(argv[2], "group") == 0)
		group(argv[3]);
	else if (strcmp(argv[2], "drop-group") == 0)
		check(kafka_admin_delete_group(admin, argv[3], &err), &err);
	else if (strcmp(argv[2], "offsets") == 0 && argc > 4)
		offsets(argv[3], argv[4]);
	else if (strcmp(argv[2], "set-offsets") == 0 && argc > 6)
		set_offsets(argv);
	else
		return 2;
	kafka_admin_close(admin);
	arena_finish(&arena);
	return 0;
}
