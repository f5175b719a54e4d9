/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/pack.h"

#include <string.h>

#include "base/must.h"

static void
pack_slice(struct buf *out, struct slice s)
{
	uint32_t len = (uint32_t)s.len;

	must(s.len <= UINT32_MAX);
	if (len < 0xff) {
		buf_byte(out, (char)len);
	} else {
		buf_byte(out, (char)0xff);
		buf_put(out, &len, sizeof len);
	}
	buf_slice(out, s);
}

static bool
unpack_slice(const char **at, struct arena *arena, struct slice *ret)
{
	uint32_t len = (unsigned char)*(*at)++;

	if (len == 0xff) {
		memcpy(&len, *at, sizeof len);
		*at += sizeof len;
	}
	*ret = arena_copy(arena, slice_of(*at, len));
	*at += len;
	return ret->p != NULL;
}

static void
pack_decimal(struct buf *out, const struct decimal *d)
{
	buf_byte(out, (char)d->form);
	buf_put(out, &d->scale, sizeof d->scale);
	if (d->form == DECIMAL_SMALL) {
		buf_put(out, &d->small, sizeof d->small);
	} else if (d->form == DECIMAL_BIG) {
		buf_byte(out, (char)d->negative);
		buf_put(out, &d->limb_count, sizeof d->limb_count);
		buf_put(out, d->limbs, d->limb_count * sizeof *d->limbs);
	}
}

static bool
unpack_decimal(const char **at, struct arena *arena, struct decimal *ret)
{
	const char *p = *at;

	*ret = (struct decimal){ .form = (enum decimal_form)(unsigned char)*p++ };
	memcpy(&ret->scale, p, sizeof ret->scale);
	p += sizeof ret->scale;
	if (ret->form == DECIMAL_SMALL) {
		memcpy(&ret->small, p, sizeof ret->small);
		p += sizeof ret->small;
	} else if (ret->form == DECIMAL_BIG) {
		uint64_t *limbs;

		ret->negative = *p++ != 0;
		memcpy(&ret->limb_count, p, sizeof ret->limb_count);
		p += sizeof ret->limb_count;
		limbs = arena_alloc(arena, ret->limb_count * sizeof *limbs);
		if (!limbs)
			return false;
		memcpy(limbs, p, ret->limb_count * sizeof *limbs);
		p += ret->limb_count * sizeof *limbs;
		ret->limbs = limbs;
	}
	*at = p;
	return true;
}

/* How a type lies in struct value. */
enum shape {
	SHAPE_BOOL,
	SHAPE_INT,
	SHAPE_FLOAT,
	SHAPE_TEXT,
	SHAPE_UUID,
	SHAPE_DECIMAL,
	SHAPE_INTERVAL
};

static enum shape
shape_of(enum type_kind kind)
{
	switch (kind) {
	case TYPE_BOOL: return SHAPE_BOOL;
	case TYPE_INT2:
	case TYPE_INT4:
	case TYPE_INT8:
	case TYPE_DATE:
	case TYPE_TIME:
	case TYPE_TIMESTAMP:
	case TYPE_TIMESTAMPTZ: return SHAPE_INT;
	case TYPE_FLOAT4:
	case TYPE_FLOAT8: return SHAPE_FLOAT;
	case TYPE_UUID: return SHAPE_UUID;
	case TYPE_NUMERIC: return SHAPE_DECIMAL;
	case TYPE_INTERVAL: return SHAPE_INTERVAL;
	case TYPE_TEXT:
	case TYPE_VARCHAR:
	case TYPE_BPCHAR:
	case TYPE_NAME:
	case TYPE_JSON:
	case TYPE_JSONB:
	case TYPE_BYTEA:
	case TYPE_ENUM:
	case TYPE_INET:
	case TYPE_CIDR:
	case TYPE_MACADDR:
	case TYPE_ARRAY:
	case TYPE_OTHER: return SHAPE_TEXT;
	}
	never("unknown type kind");
}

void
value_pack(struct buf *out, struct pgtype type, const struct value *value)
{
	buf_byte(out, (char)value->state);
	if (value->state != VALUE_SET)
		return;
	switch (shape_of(type.kind)) {
	case SHAPE_BOOL: buf_byte(out, (char)value->b); return;
	case SHAPE_INT: buf_put(out, &value->i, sizeof value->i); return;
	case SHAPE_FLOAT: buf_put(out, &value->f, sizeof value->f); return;
	case SHAPE_TEXT: pack_slice(out, value->s); return;
	case SHAPE_UUID: buf_put(out, value->uuid, sizeof value->uuid); return;
	case SHAPE_DECIMAL: pack_decimal(out, &value->d); return;
	case SHAPE_INTERVAL:
		buf_put(out, &value->iv.months, sizeof value->iv.months);
		buf_put(out, &value->iv.days, sizeof value->iv.days);
		buf_put(out, &value->iv.us, sizeof value->iv.us);
		return;
	}
}

static void
take(const char **at, void *into, size_t len)
{
	memcpy(into, *at, len);
	*at += len;
}

bool
value_unpack(const char **at, struct pgtype type, struct arena *arena, struct value *ret_value)
{
	ret_value->state = (enum value_state)(unsigned char)*(*at)++;
	if (ret_value->state != VALUE_SET)
		return true;
	switch (shape_of(type.kind)) {
	case SHAPE_BOOL: ret_value->b = *(*at)++ != 0; return true;
	case SHAPE_INT: take(at, &ret_value->i, sizeof ret_value->i); return true;
	case SHAPE_FLOAT: take(at, &ret_value->f, sizeof ret_value->f); return true;
	case SHAPE_TEXT: return unpack_slice(at, arena, &ret_value->s);
	case SHAPE_UUID: take(at, ret_value->uuid, sizeof ret_value->uuid); return true;
	case SHAPE_DECIMAL: return unpack_decimal(at, arena, &ret_value->d);
	case SHAPE_INTERVAL:
		take(at, &ret_value->iv.months, sizeof ret_value->iv.months);
		take(at, &ret_value->iv.days, sizeof ret_value->iv.days);
		take(at, &ret_value->iv.us, sizeof ret_value->iv.us);
		return true;
	}
	never("unknown shape");
}
