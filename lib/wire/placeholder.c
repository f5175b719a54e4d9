/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/placeholder.h"

#include <openssl/evp.h>

#include "base/must.h"
#include "wire/json.h"

#define WORD "__debezium_unavailable_value"
#define TEXT(s)                                                                                \
	{                                                                                      \
		.p = s, .len = sizeof(s) - 1                                                   \
	}

const struct placeholder placeholder_default = {
	.text = TEXT(WORD),
	.base64 = TEXT("X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="),
	.hstore = TEXT("{\"" WORD "\":\"" WORD "\"}"),
	.uuid = TEXT("b68a35a7-17ad-35b3-af2a-ae46edb4545a"),
};

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
put_hex(struct buf *out, struct slice hex)
{
	if (hex.len % 2)
		return false;
	for (size_t i = 0; i < hex.len; i += 2) {
		int high = hex_digit(hex.p[i]), low = hex_digit(hex.p[i + 1]);
		if (high < 0 || low < 0)
			return false;
		buf_byte(out, (char)(high << 4 | low));
	}
	return true;
}

static void
put_base64(struct buf *out, struct slice bytes)
{
	size_t room = (bytes.len + 2) / 3 * 4;

	buf_grow(out, room + 1);
	(void)EVP_EncodeBlock(
	    (unsigned char *)out->p + out->len, (const unsigned char *)bytes.p, (int)bytes.len);
	out->len += room;
}

/* java.util.UUID.nameUUIDFromBytes: version 3 over the bytes alone. */
static void
put_uuid(struct buf *out, struct slice bytes)
{
	unsigned char sum[EVP_MAX_MD_SIZE];

	must(EVP_Digest(bytes.p, bytes.len, sum, NULL, EVP_md5(), NULL) == 1);
	sum[6] = (unsigned char)((sum[6] & 0x0f) | 0x30);
	sum[8] = (unsigned char)((sum[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < 16; i++)
		buf_printf(
		    out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", sum[i]);
}

bool
placeholder_init(struct placeholder *placeholder, struct slice setting)
{
	struct buf *memory = &placeholder->memory, word = { 0 };
	struct slice text;
	size_t base64, hstore;

	*placeholder = (struct placeholder){ 0 };
	if (setting.len <= 4 || memcmp(setting.p, "hex:", 4) != 0) {
		buf_slice(&word, setting);
	} else if (!put_hex(&word, slice_of(setting.p + 4, setting.len - 4))) {
		buf_finish(&word);
		return false;
	}
	text = buf_view(&word);
	buf_slice(memory, text);
	put_base64(memory, text);
	base64 = memory->len;
	buf_byte(memory, '{');
	json_quote(memory, text);
	buf_byte(memory, ':');
	json_quote(memory, text);
	buf_byte(memory, '}');
	hstore = memory->len;
	put_uuid(memory, text);
	/* only now: the memory has moved while it grew */
	placeholder->text = slice_of(memory->p, text.len);
	placeholder->base64 = slice_of(memory->p + text.len, base64 - text.len);
	placeholder->hstore = slice_of(memory->p + base64, hstore - base64);
	placeholder->uuid = slice_of(memory->p + hstore, memory->len - hstore);
	buf_finish(&word);
	return true;
}

void
placeholder_finish(struct placeholder *placeholder)
{
	buf_finish(&placeholder->memory);
	*placeholder = (struct placeholder){ 0 };
}

bool
placeholder_is_text(const struct placeholder *placeholder, struct slice text)
{
	return slice_eq(text, placeholder->text) || slice_eq(text, placeholder->base64) ||
	       slice_eq(text, placeholder->hstore);
}

/* {"text":"text"}, an hstore as a map. */
static bool
is_hstore(const struct placeholder *placeholder, struct slice raw)
{
	struct json_walk walk = json_walk(raw);

	return json_next(&walk) && slice_eq(walk.name, placeholder->text) &&
	       json_kind_of(walk.value) == JSON_STRING &&
	       slice_eq(json_inner(walk.value), placeholder->text) && !json_next(&walk);
}

bool
placeholder_is_nested(const struct placeholder *placeholder, struct slice raw)
{
	struct json_walk walk;
	size_t count = 0;
	int64_t byte;

	if (json_kind_of(raw) == JSON_OBJECT)
		return is_hstore(placeholder, raw);
	walk = json_walk(raw);
	while (json_next(&walk)) {
		if (json_kind_of(walk.value) == JSON_STRING) {
			struct slice inner = json_inner(walk.value);
			return count == 0 &&
			       (slice_eq(inner, placeholder->text) ||
				   slice_eq(inner, placeholder->base64) ||
				   slice_eq(inner, placeholder->uuid)) &&
			       !json_next(&walk);
		}
		/* int4[], int8[], date[]: the bytes of the word as numbers */
		if (count >= placeholder->text.len || !slice_i64(walk.value, &byte) ||
		    byte != (int64_t)(signed char)placeholder->text.p[count])
			return false;
		count++;
	}
	return count > 0 && count == placeholder->text.len;
}
