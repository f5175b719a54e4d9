/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/record.h"

#include <openssl/evp.h>
#include <pthread.h>

#include "base/must.h"

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
	[HEADER_REPLAY] = { "sluice.replay", 13 },
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
	case HEADER_COUNT: break;
	}
	never("a header that is in no table");
}

enum fate
record_read_headers(
    const struct header *headers, size_t count, struct record *ret_record, struct err *err)
{
	struct record record = *ret_record;
	unsigned seen = 0;

	record.op = '\0';
	record.replay = false;
	record.ts_ms = 0;
	record.lsn = record.before = (struct slice){ 0 };
	for (size_t i = 0; i < count; i++)
		for (unsigned k = 0; k < HEADER_COUNT; k++) {
			if (!slice_eq(headers[i].name, header_names[k]))
				continue;
			if (seen & 1u << k)
				return err_set(err, FATE_REJECT, "header %s stands twice",
				    header_names[k].p);
			if (!read_header((enum known)k, headers[i].value, &record))
				return malformed((enum known)k, headers[i].value, err);
			seen |= 1u << k;
		}
	for (unsigned k = HEADER_SOURCE; k <= HEADER_TS; k++)
		if (!(seen & 1u << k))
			return err_set(
			    err, FATE_REJECT, "header %s is missing", header_names[k].p);
	*ret_record = record;
	return FATE_DONE;
}

/* --- the change's name --- */

static EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

/* Fetched once: looking the algorithm up by name costs more than hashing. */
static void
sha256_fetch(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	must(sha256);
}

static void
base32_128(const unsigned char bytes[16], char ret_text[RECORD_ID_LEN])
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	unsigned pool = 0, bits = 0;
	size_t at = 0;

	for (size_t i = 0; i < 16; i++) {
		pool = pool << 8 | bytes[i];
		bits += 8;
		while (bits >= 5) {
			bits -= 5;
			ret_text[at++] = alphabet[pool >> bits & 31];
		}
	}
	ret_text[at++] = alphabet[pool << (5 - bits) & 31];
	must(at == RECORD_ID_LEN);
}

/* What is hashed, gathered so that OpenSSL is called seldom. */
struct gathered {
	EVP_MD_CTX *context;
	size_t len;
	unsigned char bytes[256];
};

static void
gather(struct gathered *g, const void *p, size_t len)
{
	if (len > sizeof(g->bytes) - g->len) {
		must(EVP_DigestUpdate(g->context, g->bytes, g->len) == 1);
		g->len = 0;
	}
	if (len > sizeof(g->bytes)) {
		must(EVP_DigestUpdate(g->context, p, len) == 1);
		return;
	}
	if (len)
		memcpy(g->bytes + g->len, p, len);
	g->len += len;
}

void
record_id(const struct slice *parts, size_t count, char ret_id[RECORD_ID_LEN])
{
	static _Thread_local EVP_MD_CTX *context; /* one a thread, for its life */
	struct gathered g;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	(void)pthread_once(&sha256_once, sha256_fetch);
	if (!context)
		context = EVP_MD_CTX_new();
	must(context && EVP_DigestInit_ex2(context, sha256, NULL) == 1);
	g.context = context;
	g.len = 0;
	for (size_t i = 0; i < count; i++) {
		uint32_t n = (uint32_t)parts[i].len;
		unsigned char size[4] = { (unsigned char)(n >> 24), (unsigned char)(n >> 16),
			(unsigned char)(n >> 8), (unsigned char)n };
		must(parts[i].len <= UINT32_MAX);
		gather(&g, size, sizeof(size));
		gather(&g, parts[i].p, parts[i].len);
	}
	must(EVP_DigestUpdate(context, g.bytes, g.len) == 1);
	must(EVP_DigestFinal_ex(context, digest, &len) == 1 && len == 32);
	base32_128(digest, ret_id);
}
