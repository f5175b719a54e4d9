/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/native_pack.h"

#include <lz4frame.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/must.h"

/* Pieces below STAGE_SMALL are gathered until STAGE_FULL bytes are there. */
enum { STAGE_SMALL = 4096, STAGE_FULL = 65536, ZSTD_LEVEL = 1 };

struct native_pack {
	enum native_pack_kind kind;
	struct buf *out;
	struct buf stage;
	LZ4F_cctx *lz4;
	ZSTD_CCtx *zstd;
};

static const LZ4F_preferences_t lz4_preferences = {
	.frameInfo = { .blockSizeID = LZ4F_max256KB, .blockMode = LZ4F_blockLinked },
	.autoFlush = 1, /* straight from the caller's bytes */
};

struct native_pack *
native_pack_new(void)
{
	struct native_pack *pack = calloc(1, sizeof *pack);

	must(pack);
	return pack;
}

void
native_pack_free(struct native_pack *pack)
{
	if (!pack)
		return;
	LZ4F_freeCompressionContext(pack->lz4);
	ZSTD_freeCCtx(pack->zstd);
	buf_finish(&pack->stage);
	free(pack);
}

static void
pack_lz4(struct native_pack *pack, const void *p, size_t len)
{
	size_t bound = LZ4F_compressBound(len, &lz4_preferences), n;

	buf_grow(pack->out, bound);
	n = LZ4F_compressUpdate(pack->lz4, pack->out->p + pack->out->len, bound, p, len, NULL);
	must(!LZ4F_isError(n));
	pack->out->len += n;
}

static void
pack_zstd(struct native_pack *pack, const void *p, size_t len, ZSTD_EndDirective end)
{
	ZSTD_inBuffer in = { .src = p, .size = len };
	size_t left;

	do {
		ZSTD_outBuffer out;

		buf_grow(pack->out, ZSTD_CStreamOutSize());
		out = (ZSTD_outBuffer){ .dst = pack->out->p + pack->out->len,
			.size = ZSTD_CStreamOutSize() };
		left = ZSTD_compressStream2(pack->zstd, &out, &in, end);
		must(!ZSTD_isError(left));
		pack->out->len += out.pos;
	} while (end == ZSTD_e_end ? left > 0 : in.pos < in.size);
}

static void
pack_bytes(struct native_pack *pack, const void *p, size_t len)
{
	if (len == 0)
		return;
	switch (pack->kind) {
	case NATIVE_PLAIN: buf_put(pack->out, p, len); break;
	case NATIVE_LZ4: pack_lz4(pack, p, len); break;
	case NATIVE_ZSTD: pack_zstd(pack, p, len, ZSTD_e_continue); break;
	}
}

static void
pack_stage(struct native_pack *pack)
{
	pack_bytes(pack, pack->stage.p, pack->stage.len);
	pack->stage.len = 0;
}

void
native_pack_begin(struct native_pack *pack, enum native_pack_kind kind, struct buf *out)
{
	pack->kind = kind;
	pack->out = out;
	pack->stage.len = 0;
	if (kind == NATIVE_LZ4) {
		size_t n;

		must(pack->lz4 ||
		     !LZ4F_isError(LZ4F_createCompressionContext(&pack->lz4, LZ4F_VERSION)));
		buf_grow(out, LZ4F_HEADER_SIZE_MAX);
		n = LZ4F_compressBegin(
		    pack->lz4, out->p + out->len, LZ4F_HEADER_SIZE_MAX, &lz4_preferences);
		must(!LZ4F_isError(n));
		out->len += n;
	} else if (kind == NATIVE_ZSTD) {
		if (!pack->zstd)
			pack->zstd = ZSTD_createCCtx();
		must(pack->zstd);
		must(!ZSTD_isError(ZSTD_CCtx_reset(pack->zstd, ZSTD_reset_session_only)));
		must(!ZSTD_isError(
		    ZSTD_CCtx_setParameter(pack->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL)));
	}
}

void
native_pack_put(struct native_pack *pack, const void *p, size_t len)
{
	if (len >= STAGE_SMALL) {
		pack_stage(pack);
		pack_bytes(pack, p, len);
		return;
	}
	buf_put(&pack->stage, p, len);
	if (pack->stage.len >= STAGE_FULL)
		pack_stage(pack);
}

void
native_pack_varint(struct native_pack *pack, uint64_t value)
{
	char bytes[10];
	size_t len = 0;

	for (; value >= 0x80; value >>= 7)
		bytes[len++] = (char)(value | 0x80);
	bytes[len++] = (char)value;
	native_pack_put(pack, bytes, len);
}

char *
native_pack_room(struct native_pack *pack, size_t len)
{
	if (pack->stage.len >= STAGE_FULL)
		pack_stage(pack);
	buf_grow(&pack->stage, len);
	return pack->stage.p + pack->stage.len;
}

void
native_pack_took(struct native_pack *pack, size_t len)
{
	pack->stage.len += len;
	if (pack->stage.len >= STAGE_FULL)
		pack_stage(pack);
}

void
native_pack_end(struct native_pack *pack)
{
	pack_stage(pack);
	if (pack->kind == NATIVE_LZ4) {
		size_t bound = LZ4F_compressBound(0, &lz4_preferences), n;

		buf_grow(pack->out, bound);
		n = LZ4F_compressEnd(pack->lz4, pack->out->p + pack->out->len, bound, NULL);
		must(!LZ4F_isError(n));
		pack->out->len += n;
	} else if (pack->kind == NATIVE_ZSTD) {
		pack_zstd(pack, NULL, 0, ZSTD_e_end);
	}
}
