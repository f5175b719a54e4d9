/* SPDX-License-Identifier: Apache-2.0 */
#include "format.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum joint
format_joint(const char *format)
{
	static const struct {
		const char *name;
		enum joint joint;
	} joints[] = {
		{ "TabSeparated", JOINT_PLAIN },
		{ "TSV", JOINT_PLAIN },
		{ "TabSeparatedRaw", JOINT_PLAIN },
		{ "TSVRaw", JOINT_PLAIN },
		{ "CSV", JOINT_PLAIN },
		{ "JSONEachRow", JOINT_PLAIN },
		{ "JSONLines", JOINT_PLAIN },
		{ "NDJSON", JOINT_PLAIN },
		{ "JSONCompactEachRow", JOINT_PLAIN },
		{ "JSONStringsEachRow", JOINT_PLAIN },
		{ "JSONCompactStringsEachRow", JOINT_PLAIN },
		{ "LineAsString", JOINT_PLAIN },
		{ "RowBinary", JOINT_PLAIN },
		{ "Native", JOINT_PLAIN },
		{ "TSVWithNames", JOINT_LINE },
		{ "TabSeparatedWithNames", JOINT_LINE },
		{ "CSVWithNames", JOINT_LINE },
		{ "JSONCompactEachRowWithNames", JOINT_LINE },
		{ "TSVWithNamesAndTypes", JOINT_TWO_LINES },
		{ "TabSeparatedWithNamesAndTypes", JOINT_TWO_LINES },
		{ "CSVWithNamesAndTypes", JOINT_TWO_LINES },
		{ "JSONCompactEachRowWithNamesAndTypes", JOINT_TWO_LINES },
		{ "JSONCompactStringsEachRowWithNamesAndTypes", JOINT_TWO_LINES },
		{ "RowBinaryWithNames", JOINT_BINARY_NAMES },
		{ "RowBinaryWithNamesAndTypes", JOINT_BINARY_NAMES_TYPES },
	};

	for (size_t i = 0; i < sizeof joints / sizeof *joints; i++)
		if (strcasecmp(format, joints[i].name) == 0)
			return joints[i].joint;
	return JOINT_NONE;
}

static size_t
lines_len(struct slice chunk, unsigned lines)
{
	bool quoted = false;
	size_t at = 0;

	for (; at < chunk.len && lines; at++) {
		if (chunk.p[at] == '"')
			quoted = !quoted;
		else if (chunk.p[at] == '\n' && !quoted)
			lines--;
	}
	return at;
}

static uint64_t
varint(struct slice chunk, size_t *at)
{
	uint64_t value = 0;

	for (unsigned shift = 0; *at < chunk.len && shift < 64; shift += 7) {
		unsigned char c = (unsigned char)chunk.p[(*at)++];

		value |= (uint64_t)(c & 127) << shift;
		if (!(c & 128))
			break;
	}
	return value;
}

static size_t
names_len(struct slice chunk, unsigned rounds)
{
	size_t at = 0;
	uint64_t strings = varint(chunk, &at) * rounds;

	for (; strings && at < chunk.len; strings--) {
		uint64_t len = varint(chunk, &at);

		at = len < chunk.len - at ? at + (size_t)len : chunk.len;
	}
	return at;
}

size_t
format_head_len(enum joint joint, struct slice chunk)
{
	switch (joint) {
	case JOINT_NONE:
	case JOINT_PLAIN: return 0;
	case JOINT_LINE: return lines_len(chunk, 1);
	case JOINT_TWO_LINES: return lines_len(chunk, 2);
	case JOINT_BINARY_NAMES: return names_len(chunk, 1);
	case JOINT_BINARY_NAMES_TYPES: return names_len(chunk, 2);
	}
	return 0;
}

const char *
format_content_type(const char *format)
{
	static const struct {
		const char *prefix;
		const char *type;
	} types[] = {
		{ "JSON", "application/json; charset=UTF-8" },
		{ "NDJSON", "application/x-ndjson; charset=UTF-8" },
		{ "TSV", "text/tab-separated-values; charset=UTF-8" },
		{ "TabSep", "text/tab-separated-values; charset=UTF-8" },
		{ "CSV", "text/csv; charset=UTF-8" },
		{ "Native", "application/octet-stream" },
		{ "RowBinary", "application/octet-stream" },
		{ "Parquet", "application/octet-stream" },
		{ "Arrow", "application/octet-stream" },
	};

	if (strncasecmp(format, "JSON", 4) == 0 && strcasestr(format, "EachRow"))
		return types[1].type;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strncasecmp(format, types[i].prefix, strlen(types[i].prefix)) == 0)
			return types[i].type;
	return "text/plain; charset=UTF-8";
}
