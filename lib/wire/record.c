/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/record.h"

#include <endian.h>
#include <openssl/evp.h>

#include "base/must.h"
#include "wire/digest.h"

/* --- headers --- */

enum known {
	HEADER_SOURCE,
	HEADER_VERSION,
	HEADER_OP,
	HEADER_ID,
	HEADER_TS,
	HEADER_LSN,
	HEADER_BEFORE,
	HEADER_REPLAY,
	HEADER_REPLAY_FOR,
	HEADER_COUNT
};

static const struct slice header_names[HEADER_COUNT] = {
	[HEADER_SOURCE] = { "sluice.source", 13 },
	[HEADER_VERSION] = { "sluice.version", 14 },
	[HEADER_OP] = { "sluice.op", 9 },
	[HEADER_ID] = { "sluice.id", 9 },
	[HEADER_TS] = { "sluice.ts", 9 },
	[HEADER_LSN] = { "sluice.lsn", 10 },
	[HEADER_BEFORE] = { "sluice.before", 13 },
	[HEADER_REPLAY] = { RECORD_REPLAY, sizeof RECORD_REPLAY - 1 },
	[HEADER_REPLAY_FOR] = { RECORD_REPLAY_FOR, sizeof RECORD_REPLAY_FOR - 1 },
};

static enum fate
malformed(enum known which, struct slice value, struct err *err)
{
	return err_set(err, FATE_REJECT, "header %s is malformed: %.*s", header_names[which].p,
	    value.len > 60 ? 60 : (int)value.len, value.p ? value.p : "");
}

/* topic/partition/offset; a topic's name has no slash. */
static bool
read_source(struct slice value, struct record *record)
{
	const char *end = value.p + value.len, *slash, *second;
	int64_t partition, offset;

	slash = value.len ? memchr(value.p, '/', value.len) : NULL;
	second = slash ? memchr(slash + 1, '/', (size_t)(end - slash - 1)) : NULL;
	if (!second || slash == value.p)
		return false;
	if (!slice_i64(slice_of(slash + 1, (size_t)(second - slash - 1)), &partition) ||
	    !slice_i64(slice_of(second + 1, (size_t)(end - second - 1)), &offset))
		return false;
	if (partition < 0 || partition > INT32_MAX || offset < 0)
		return false;
	record->source_topic = slice_of(value.p, (size_t)(slash - value.p));
	record->source_partition = (int32_t)partition;
	record->source_offset = offset;
	return true;
}

static bool
read_id(struct slice value, struct record *record)
{
	if (value.len != RECORD_ID_LEN)
		return false;
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];
		if (!((c >= 'A' && c <= 'Z') || (c >= '2' && c <= '7')))
			return false;
	}
	record->id = value;
	return true;
}

static bool
read_version(struct slice value, struct record *record)
{
	return slice_u64(value, &record->version) &&
	       record->version >> VERSION_OFFSET_BITS <= GENERATION_MAX;
}

static bool
read_op(struct slice value, struct record *record)
{
	if (value.len != 1 || !strchr("cudr", value.p[0]) || !value.p[0])
		return false;
	record->op = value.p[0];
	return true;
}

static bool
read_lsn(struct slice value, struct record *record)
{
	int64_t lsn;

	record->lsn = value;
	return value.len == 0 || slice_i64(value, &lsn);
}

static bool
read_header(enum known which, struct slice value, struct record *record)
{
	switch (which) {
	case HEADER_SOURCE: return read_source(value, record);
	case HEADER_VERSION: return read_version(value, record);
	case HEADER_OP: return read_op(value, record);
	case HEADER_ID: return read_id(value, record);
	case HEADER_TS: return slice_i64(value, &record->ts_ms);
	case HEADER_LSN: return read_lsn(value, record);
	case HEADER_BEFORE: record->before = value; return true;
	case HEADER_REPLAY: record->replay = slice_eq(value, SLICE("1")); return true;
	case HEADER_REPLAY_FOR: record->replay_for = value; return true;
	case HEADER_COUNT: break;
	}
	never("a header that is in no table");
}

enum fate
record_read_headers(
    const struct header *headers, size_t count, struct record *ret_record, struct err *err)
{
	struct record record = *ret_record;
	unsigned seen = 0, next = 0;

	record.op = '\0';
	record.replay = false;
	record.ts_ms = 0;
	record.lsn = record.before = record.replay_for = (struct slice){ 0 };
	for (size_t i = 0; i < count; i++)
		for (unsigned n = 0; n < HEADER_COUNT; n++) {
			unsigned k = (next + n) % HEADER_COUNT; /* enrich has an order */

			if (!slice_eq(headers[i].name, header_names[k]))
				continue;
			if (seen & 1u << k)
				return err_set(err, FATE_REJECT, "header %s stands twice",
				    header_names[k].p);
			if (!read_header((enum known)k, headers[i].value, &record))
				return malformed((enum known)k, headers[i].value, err);
			seen |= 1u << k;
			next = k + 1;
			break;
		}
	for (unsigned k = HEADER_SOURCE; k <= HEADER_TS; k++)
		if (!(seen & 1u << k))
			return err_set(
			    err, FATE_REJECT, "header %s is missing", header_names[k].p);
	*ret_record = record;
	return FATE_DONE;
}

/* --- the change's name --- */

static inline uint64_t
load_be64(const unsigned char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return be64toh(word);
}

/* 25 characters of five bits, and the last three. */
static void
base32_128(const unsigned char bytes[16], char ret_text[RECORD_ID_LEN])
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	uint64_t high = load_be64(bytes), low = load_be64(bytes + 8);
	uint64_t middle = high << 60 | low >> 4; /* what is left of high, then low's */

	for (int i = 0; i < 12; i++)
		ret_text[i] = alphabet[high >> (59 - 5 * i) & 31];
	for (int i = 0; i < 12; i++)
		ret_text[12 + i] = alphabet[middle >> (59 - 5 * i) & 31];
	ret_text[24] = alphabet[low >> 3 & 31];
	ret_text[25] = alphabet[low << 2 & 31];
}

/* What is hashed, gathered so that OpenSSL is called seldom. */
struct gathered {
	EVP_MD_CTX *context;
	size_t len;
	unsigned char bytes[256];
};

static void
flush(struct gathered *g)
{
	must(EVP_DigestUpdate(g->context, g->bytes, g->len) == 1);
	g->len = 0;
}

/* A part behind its length. */
static void
gather(struct gathered *g, struct slice part)
{
	uint32_t size = htobe32((uint32_t)part.len);

	must(part.len <= UINT32_MAX);
	if (sizeof(g->bytes) - g->len < sizeof(size) + part.len)
		flush(g);
	memcpy(g->bytes + g->len, &size, sizeof(size));
	g->len += sizeof(size);
	if (part.len > sizeof(g->bytes) - sizeof(size)) {
		flush(g);
		must(EVP_DigestUpdate(g->context, part.p, part.len) == 1);
		return;
	}
	if (part.len)
		memcpy(g->bytes + g->len, part.p, part.len);
	g->len += part.len;
}

void
record_id(const struct slice *parts, size_t count, char ret_id[RECORD_ID_LEN])
{
	struct gathered g;
	unsigned char digest[DIGEST_LEN];
	unsigned len = 0;

	g.context = digest_begin();
	g.len = 0; /* the bytes are written before they are read */
	for (size_t i = 0; i < count; i++)
		gather(&g, parts[i]);
	flush(&g);
	must(EVP_DigestFinal_ex(g.context, digest, &len) == 1 && len == DIGEST_LEN);
	base32_128(digest, ret_id);
}
