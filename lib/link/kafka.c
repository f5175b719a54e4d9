/* SPDX-License-Identifier: Apache-2.0 */
#include "link/kafka.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "link/kafka_ops.h"

#define ROW(name, fate, restart, why)                                                          \
	{                                                                                      \
		RD_KAFKA_RESP_ERR_##name, FATE_##fate, restart, why                            \
	}

/* What is not here is RETRY: librdkafka itself retries what it does not know. */
static const struct kafka_error_row table[] = {
	ROW(_TRANSPORT, RETRY, false, "connection lost; librdkafka reconnects"),
	ROW(_ALL_BROKERS_DOWN, RETRY, false, "librdkafka reconnects"),
	ROW(_RESOLVE, RETRY, false, "a name server may be slow"),
	ROW(_TIMED_OUT, RETRY, false, "slow broker or dead connection"),
	ROW(_MSG_TIMED_OUT, RETRY, false, "not delivered in time"),
	ROW(_QUEUE_FULL, RETRY, false, "more is being produced than goes out"),
	ROW(_WAIT_COORD, RETRY, false, "no coordinator yet"),
	ROW(_IN_PROGRESS, RETRY, false, "an equal call is under way"),
	ROW(_PREV_IN_PROGRESS, RETRY, false, "an earlier call is under way"),
	ROW(_ASSIGNMENT_LOST, RETRY, false, "poll reports the revocation"),
	ROW(_MAX_POLL_EXCEEDED, RETRY, false, "poll reports the revocation"),
	ROW(LEADER_NOT_AVAILABLE, RETRY, false, "election"),
	ROW(NOT_LEADER_FOR_PARTITION, RETRY, false, "leader moved"),
	ROW(REQUEST_TIMED_OUT, RETRY, false, "slow broker"),
	ROW(COORDINATOR_LOAD_IN_PROGRESS, RETRY, false, "broker has just started"),
	ROW(COORDINATOR_NOT_AVAILABLE, RETRY, false, "broker has just started"),
	ROW(NOT_COORDINATOR, RETRY, false, "coordinator moved"),
	ROW(NOT_ENOUGH_REPLICAS, RETRY, false, "replicas are away"),
	ROW(NOT_CONTROLLER, RETRY, false, "controller moved"),
	ROW(UNSTABLE_OFFSET_COMMIT, RETRY, false, "a transaction with these offsets is open"),
	ROW(CONCURRENT_TRANSACTIONS, RETRY, false, "the last transaction is still ending"),
	ROW(ILLEGAL_GENERATION, RETRY, false, "rebalanced; poll reports the revocation"),
	ROW(UNKNOWN_MEMBER_ID, RETRY, false, "expelled; poll reports the revocation"),
	ROW(REBALANCE_IN_PROGRESS, RETRY, false, "poll runs the rebalance"),
	ROW(NON_EMPTY_GROUP, RETRY, false, "the group's members are still running"),
	ROW(UNKNOWN_LEADER_EPOCH, RETRY, false, "leader moved"),
	ROW(FENCED_LEADER_EPOCH, RETRY, false, "leader moved"),

	ROW(MSG_SIZE_TOO_LARGE, REJECT, false, "larger than the topic takes"),
	ROW(INVALID_MSG_SIZE, REJECT, false, "larger than the topic takes"),
	ROW(RECORD_LIST_TOO_LARGE, REJECT, false, "larger than a segment"),
	ROW(INVALID_RECORD, REJECT, false, "the broker refuses it, e.g. no key when compacted"),
	ROW(INVALID_TIMESTAMP, REJECT, false, "outside what the topic takes"),
	ROW(_BAD_MSG, REJECT, false, "unreadable"),

	ROW(_FATAL, HALT, true, "this client cannot go on; a new one can"),
	ROW(_DESTROY, HALT, true, "this client is being closed"),
	ROW(_FENCED, HALT, true, "a successor took over, or our transaction timed out"),
	ROW(PRODUCER_FENCED, HALT, true, "a successor took over"),
	ROW(INVALID_PRODUCER_EPOCH, HALT, true, "a successor took over"),
	ROW(INVALID_PRODUCER_ID_MAPPING, HALT, true, "the producer id has expired"),
	ROW(INVALID_TXN_STATE, HALT, true, "a late request ended this transaction"),
	ROW(FENCED_INSTANCE_ID, HALT, true,
	    "another member uses this slot, or we returned late"),
	ROW(_AUTO_OFFSET_RESET, HALT, false, "the offset is gone: expired, or topic recreated"),
	ROW(OFFSET_OUT_OF_RANGE, HALT, false,
	    "the offset is gone: expired, or topic recreated"),
	ROW(_NO_OFFSET, HALT, false, "nothing was committed"),
	ROW(UNKNOWN_TOPIC_OR_PART, HALT, false, "no such topic or partition"),
	ROW(_UNKNOWN_TOPIC, HALT, false, "no such topic"),
	ROW(_UNKNOWN_PARTITION, HALT, false, "no such partition"),
	ROW(_UNKNOWN_GROUP, HALT, false, "client has no group"),
	ROW(TOPIC_AUTHORIZATION_FAILED, HALT, false, "missing ACL"),
	ROW(GROUP_AUTHORIZATION_FAILED, HALT, false, "missing ACL"),
	ROW(CLUSTER_AUTHORIZATION_FAILED, HALT, false, "missing ACL"),
	ROW(TRANSACTIONAL_ID_AUTHORIZATION_FAILED, HALT, false, "missing ACL"),
	ROW(SASL_AUTHENTICATION_FAILED, HALT, false, "wrong credentials"),
	ROW(_AUTHENTICATION, HALT, false, "wrong credentials"),
	ROW(TOPIC_EXCEPTION, HALT, false, "not a topic name"),
	ROW(INVALID_PARTITIONS, HALT, false, "not a partition count"),
	ROW(INVALID_REPLICATION_FACTOR, HALT, false, "fewer brokers than replicas"),
	ROW(INVALID_CONFIG, HALT, false, "the broker refuses a setting"),
	ROW(POLICY_VIOLATION, HALT, false, "the broker refuses a setting"),
	ROW(UNSUPPORTED_VERSION, HALT, false, "broker too old"),
	ROW(_UNSUPPORTED_FEATURE, HALT, false, "broker or librdkafka too old"),
	ROW(_NOT_IMPLEMENTED, HALT, false, "librdkafka was built without it"),
	ROW(_BAD_COMPRESSION, HALT, false, "a batch cannot be unpacked"),
	ROW(_INVALID_ARG, HALT, false, "refused by librdkafka"),
	ROW(INVALID_GROUP_ID, HALT, false, "not a group name"),
	ROW(INCONSISTENT_GROUP_PROTOCOL, HALT, false, "other members balance differently"),
	ROW(INVALID_SESSION_TIMEOUT, HALT, false, "outside the broker's limits"),
	ROW(INVALID_TRANSACTION_TIMEOUT, HALT, false, "above the broker's limit"),
	ROW(OFFSET_METADATA_TOO_LARGE, HALT, false, "above the broker's limit"),
	ROW(_CRIT_SYS_RESOURCE, HALT, true, "out of threads or memory"),
};

const struct kafka_error_row *
kafka_error_table(size_t *ret_count)
{
	*ret_count = sizeof table / sizeof *table;
	return table;
}

static const struct kafka_error_row *
find_row(int code)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].code == code)
			return &table[i];
	return NULL;
}

static enum fate
set_from_code(struct err *err, int code, const char *what, const char *text)
{
	const struct kafka_error_row *row = find_row(code);
	char number[ERR_CODE_SIZE];

	if (row && row->restart)
		(void)snprintf(number, sizeof number, "%s", KAFKA_RESTART);
	else
		(void)snprintf(number, sizeof number, "%d", code);
	return err_code(err, row ? row->fate : FATE_RETRY, number, "%s: %s: %s%s%s%s", what,
	    rd_kafka_err2name((rd_kafka_resp_err_t)code),
	    text ? text : rd_kafka_err2str((rd_kafka_resp_err_t)code), row ? " (" : "",
	    row ? row->why : "", row ? ")" : "");
}

enum fate
kafka_error_set(struct err *err, int code, const char *fmt, ...)
{
	char what[ERR_WHAT_SIZE / 2];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(what, sizeof what, fmt, args);
	va_end(args);
	return set_from_code(err, code, what, NULL);
}

enum fate
kafka_error_take(struct err *err, rd_kafka_error_t *error, const char *what)
{
	enum fate fate = set_from_code(
	    err, (int)rd_kafka_error_code(error), what, rd_kafka_error_string(error));

	rd_kafka_error_destroy(error);
	return fate;
}

enum fate
kafka_restart_set(struct err *err, const char *fmt, ...)
{
	char what[ERR_WHAT_SIZE];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(what, sizeof what, fmt, args);
	va_end(args);
	return err_code(err, FATE_HALT, KAFKA_RESTART, "%s", what);
}

bool
kafka_wants_restart(const struct err *err)
{
	return err->fate == FATE_HALT && strcmp(err->code, KAFKA_RESTART) == 0;
}

const char *
kafka_library_version(void)
{
	return rd_kafka_version_str();
}

enum fate
kafka_message_headers(const struct kafka_message *message, struct header *out, size_t max,
    size_t *ret_count, struct err *err)
{
	rd_kafka_headers_t *headers = NULL;
	rd_kafka_resp_err_t code = rd_kafka_message_headers(message->handle, &headers);
	size_t count;

	*ret_count = 0;
	if (code == RD_KAFKA_RESP_ERR__NOENT)
		return FATE_DONE;
	if (code)
		return err_set(err, FATE_REJECT, "headers: %s", rd_kafka_err2str(code));
	count = rd_kafka_header_cnt(headers);
	if (count > max)
		return err_set(
		    err, FATE_REJECT, "%zu headers, more than the %zu taken", count, max);
	for (size_t i = 0; i < count; i++) {
		const char *name;
		const void *value;
		size_t len;

		if (rd_kafka_header_get_all(headers, i, &name, &value, &len))
			break;
		out[i].name = slice_str(name);
		out[i].value = slice_of(value, value ? len : 0);
	}
	*ret_count = count;
	return FATE_DONE;
}

/* A block: how many, then each as the lengths of name and value (NO_VALUE: null) and both. */
enum { BLOCK_HEAD = sizeof(uint32_t), BLOCK_LENGTHS = 2 * sizeof(uint32_t) };
#define NO_VALUE UINT32_MAX

static char *
block_write(const struct header *headers, size_t count)
{
	size_t size = BLOCK_HEAD;
	char *block, *at;

	for (size_t i = 0; i < count; i++)
		size += BLOCK_LENGTHS + headers[i].name.len + headers[i].value.len;
	block = malloc(size);
	must(block);
	at = block;
	memcpy(at, &(uint32_t){ (uint32_t)count }, BLOCK_HEAD);
	at += BLOCK_HEAD;
	for (size_t i = 0; i < count; i++) {
		struct slice name = headers[i].name, value = headers[i].value;
		uint32_t lengths[2] = { (uint32_t)name.len,
			value.p ? (uint32_t)value.len : NO_VALUE };

		memcpy(at, lengths, BLOCK_LENGTHS);
		memcpy(at + BLOCK_LENGTHS, name.p, name.len);
		if (value.len)
			memcpy(at + BLOCK_LENGTHS + name.len, value.p, value.len);
		at += BLOCK_LENGTHS + name.len + value.len;
	}
	return block;
}

/* The header that stands there; returns where the next one does. */
static const char *
block_read(const char *at, struct header *ret_header)
{
	uint32_t lengths[2];
	size_t value_len;

	memcpy(lengths, at, BLOCK_LENGTHS);
	at += BLOCK_LENGTHS;
	value_len = lengths[1] == NO_VALUE ? 0 : lengths[1];
	ret_header->name = slice_of(at, lengths[0]);
	ret_header->value =
	    slice_of(lengths[1] == NO_VALUE ? NULL : at + lengths[0], value_len);
	return at + lengths[0] + value_len;
}

enum fate
kafka_message_take_headers(const struct kafka_message *message, struct header *out, size_t max,
    size_t *ret_count, char **ret_block, struct err *err)
{
	rd_kafka_headers_t *headers = NULL;
	const char *at;

	*ret_block = NULL;
	if (kafka_message_headers(message, out, max, ret_count, err) != FATE_DONE)
		return err->fate;
	if (*ret_count == 0 || rd_kafka_message_detach_headers(message->handle, &headers))
		return FATE_DONE; /* what was read stays where it is */
	*ret_block = block_write(out, *ret_count);
	rd_kafka_headers_destroy(headers);
	at = *ret_block + BLOCK_HEAD;
	for (size_t i = 0; i < *ret_count; i++)
		at = block_read(at, &out[i]);
	return FATE_DONE;
}

void
kafka_message_give_headers(const struct kafka_message *message, const char *block)
{
	const char *at = block + BLOCK_HEAD;
	rd_kafka_headers_t *headers;
	struct header header;
	uint32_t count;

	memcpy(&count, block, sizeof count);
	headers = rd_kafka_headers_new(count);
	for (uint32_t i = 0; i < count; i++) {
		at = block_read(at, &header);
		must(rd_kafka_header_add(headers, header.name.p, (ssize_t)header.name.len,
			 header.value.p, (ssize_t)header.value.len) == 0);
	}
	rd_kafka_message_set_headers(message->handle, headers);
}

void
kafka_message_free(struct kafka_message *message)
{
	if (message->handle)
		rd_kafka_message_destroy(message->handle);
	message->handle = NULL;
}

/* Batch header 61, record 7 + varints of 5 or 10; a header has two varints. */
size_t
kafka_out_size(const struct kafka_out *out)
{
	size_t size = 61 + 40 + out->key.len + out->value.len;

	for (size_t i = 0; i < out->header_count; i++)
		size += 10 + out->headers[i].name.len + out->headers[i].value.len;
	return size;
}
