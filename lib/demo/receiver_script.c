/* SPDX-License-Identifier: Apache-2.0 */
#include "demo/receiver_script.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "wire/json.h"

enum { TIMES_MAX = 1 << 30, DELAY_MAX_MS = 600000 };

static enum fate
read_number(
    const struct json_walk *walk, int64_t least, int64_t most, int64_t *ret, struct err *err)
{
	int64_t value;

	if (!slice_i64(walk->value, &value) || value < least || value > most)
		return err_set(err, FATE_REJECT, "%.*s takes a number from %lld to %lld",
		    SLICE_ARG(walk->name), (long long)least, (long long)most);
	*ret = value;
	return FATE_DONE;
}

static enum fate
read_bool(const struct json_walk *walk, bool *ret, struct err *err)
{
	enum json_kind kind = json_kind_of(walk->value);

	if (kind != JSON_TRUE && kind != JSON_FALSE)
		return err_set(
		    err, FATE_REJECT, "%.*s takes true or false", SLICE_ARG(walk->name));
	*ret = kind == JSON_TRUE;
	return FATE_DONE;
}

/* A text without escapes or control characters, so that it may stand in a header.
 * A number is taken as its text. */
static enum fate
read_text(const struct json_walk *walk, char *ret, size_t size, struct err *err)
{
	bool quoted = json_kind_of(walk->value) == JSON_STRING;
	struct slice text = quoted ? json_inner(walk->value) : walk->value;

	if (!quoted && json_kind_of(walk->value) != JSON_NUMBER)
		return err_set(err, FATE_REJECT, "%.*s takes a text", SLICE_ARG(walk->name));
	if (text.len >= size || (text.len && memchr(text.p, '\\', text.len)))
		return err_set(err, FATE_REJECT, "%.*s takes less than %zu bytes, no escapes",
		    SLICE_ARG(walk->name), size);
	memcpy(ret, text.p, text.len);
	ret[text.len] = 0;
	return FATE_DONE;
}

static enum fate
read_member(const struct json_walk *walk, struct script_step *step, struct err *err)
{
	int64_t status = 0;
	enum fate fate;

	if (json_name_eq(walk, SLICE("status"))) {
		fate = read_number(walk, 200, 599, &status, err);
		if (fate == FATE_DONE)
			step->status = (unsigned)status;
		return fate;
	}
	if (json_name_eq(walk, SLICE("times")))
		return read_number(walk, 0, TIMES_MAX, &step->times, err);
	if (json_name_eq(walk, SLICE("delay_ms")))
		return read_number(walk, 0, DELAY_MAX_MS, &step->delay_ms, err);
	if (json_name_eq(walk, SLICE("stall_ms")))
		return read_number(walk, 0, DELAY_MAX_MS, &step->stall_ms, err);
	if (json_name_eq(walk, SLICE("close")))
		return read_bool(walk, &step->close, err);
	if (json_kind_of(walk->value) == JSON_NULL)
		return FATE_DONE;
	if (json_name_eq(walk, SLICE("retry_after")))
		return read_text(walk, step->retry_after, sizeof step->retry_after, err);
	if (json_name_eq(walk, SLICE("match")))
		return read_text(walk, step->match, sizeof step->match, err);
	return err_set(err, FATE_REJECT, "a step has no member %.*s", SLICE_ARG(walk->name));
}

static enum fate
read_step(struct slice raw, struct script *script, struct err *err)
{
	struct script_step *step;
	struct json_walk walk;

	if (json_kind_of(raw) != JSON_OBJECT)
		return err_set(err, FATE_REJECT, "a step is an object");
	if (script->count == SCRIPT_STEPS_MAX)
		return err_set(err, FATE_REJECT, "more than %d steps", SCRIPT_STEPS_MAX);
	step = &script->steps[script->count++];
	*step = (struct script_step){ .status = 200, .times = 1 };
	for (walk = json_walk(raw); json_next(&walk);) {
		enum fate fate = read_member(&walk, step, err);

		if (fate != FATE_DONE)
			return fate;
	}
	return FATE_DONE;
}

enum fate
script_read(struct script *script, struct slice json, struct err *err)
{
	struct script *read;
	struct slice raw;
	enum fate fate = json_check(json, &raw, err);

	if (fate != FATE_DONE)
		return fate;
	read = calloc(1, sizeof *read);
	must(read);
	if (json_kind_of(raw) == JSON_ARRAY) {
		struct json_walk walk = json_walk(raw);

		while (fate == FATE_DONE && json_next(&walk))
			fate = read_step(walk.value, read, err);
	} else {
		fate = read_step(raw, read, err);
	}
	if (fate == FATE_DONE)
		*script = *read;
	free(read);
	return fate;
}

static bool
fits(const struct script_step *step, struct slice body)
{
	size_t len = strlen(step->match);

	return len == 0 || (body.len && memmem(body.p, body.len, step->match, len));
}

bool
script_next(struct script *script, struct slice body, struct script_step *ret_step)
{
	for (size_t i = 0; i < script->count; i++) {
		struct script_step *step = &script->steps[i];

		if (!fits(step, body))
			continue;
		*ret_step = *step;
		if (step->times > 0 && --step->times == 0) {
			memmove(step, step + 1, (script->count - i - 1) * sizeof *step);
			script->count--;
		}
		return true;
	}
	return false;
}
