/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"

enum fate
err_set(struct err *err, enum fate fate, const char *fmt, ...)
{
	va_list args;

	must(fate != FATE_DONE);
	err->fate = fate;
	err->code[0] = '\0';
	va_start(args, fmt);
	(void)vsnprintf(err->what, sizeof err->what, fmt, args);
	va_end(args);
	return fate;
}

enum fate
err_code(struct err *err, enum fate fate, const char *code, const char *fmt, ...)
{
	va_list args;

	must(fate != FATE_DONE);
	err->fate = fate;
	(void)snprintf(err->code, sizeof err->code, "%s", code);
	va_start(args, fmt);
	(void)vsnprintf(err->what, sizeof err->what, fmt, args);
	va_end(args);
	return fate;
}

enum fate
err_wrap(struct err *err, const char *fmt, ...)
{
	char inner[ERR_WHAT_SIZE];
	va_list args;
	int n;

	must(err->fate != FATE_DONE);
	memcpy(inner, err->what, sizeof inner);
	va_start(args, fmt);
	n = vsnprintf(err->what, sizeof err->what, fmt, args);
	va_end(args);
	if (n >= 0 && (size_t)n < sizeof err->what)
		(void)snprintf(err->what + n, sizeof err->what - (size_t)n, ": %s", inner);
	return err->fate;
}

const char *
fate_name(enum fate fate)
{
	switch (fate) {
	case FATE_DONE: return "done";
	case FATE_RETRY: return "retry";
	case FATE_REJECT: return "reject";
	case FATE_HALT: return "halt";
	}
	never("unknown fate");
}
