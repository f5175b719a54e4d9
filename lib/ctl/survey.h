/* SPDX-License-Identifier: Apache-2.0 */
/* survey.h -- questions that sluicectl puts to the live systems of a pipeline.
 *
 * Each call connects when it must, waits a bounded time, and fills plain answers. */
#ifndef CTL_SURVEY_H
#define CTL_SURVEY_H

#include "base/arena.h"
#include "link/http.h"
#include "link/kafka_admin.h"
#include "link/pg.h"
#include "link/redis.h"
#include "work/connector.h"
#include "work/pipeline.h"

struct survey {
	const struct pipeline *pipeline;
	struct arena arena;
	struct kafka_admin *admin;
	struct http_client *http, *connect, *clickhouse;
	struct pg *pg;
	struct redis *redis;
	struct connector connector;
	char fact_topic[300];
};

enum fate survey_open(
    const struct pipeline *pipeline, struct survey **ret_survey, struct err *err) NODISCARD;
void survey_close(struct survey *survey); /* accepts NULL */

struct survey_group {
	const char *worker;
	const char *topic;  /* what it reads */
	const char *listen; /* slot 0's address */
	char group[160];
};
/* Enrich first, then the sinks that the pipeline has; a mirror has one a topic. */
enum { SURVEY_GROUPS_MAX = 20 + PIPELINE_HTTP_MAX };
size_t survey_groups(const struct survey *survey, struct survey_group *ret_groups);

/* Records between the group's offsets and the ends; *ret_owned: partitions with an owner. */
enum fate survey_lag(struct survey *survey, const struct survey_group *group, int64_t *ret_lag,
    int32_t *ret_owned, int32_t *ret_partitions, struct err *err) NODISCARD;

/* GET http://ADDRESS/readyz: 200, and the words of the answer. */
enum fate survey_ready(struct survey *survey, const char *address, bool *ret_ready,
    struct buf *ret_words, struct err *err) NODISCARD;

/* One number from ClickHouse: count() of the pipeline's table. */
enum fate survey_clickhouse_rows(
    struct survey *survey, int64_t *ret_rows, struct err *err) NODISCARD;

/* A number out of the receiver's /stats. */
enum fate survey_receiver(
    struct survey *survey, const char *field, int64_t *ret_number, struct err *err) NODISCARD;

/* Whether the connector's slot is active; wal_level and LSN as texts. */
enum fate survey_slot(struct survey *survey, bool *ret_active, struct buf *ret_wal_level,
    struct buf *ret_lsn, struct err *err) NODISCARD;

#endif
