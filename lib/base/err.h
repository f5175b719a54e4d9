/* SPDX-License-Identifier: Apache-2.0 */
/* err.h -- the one way a call in this house says no.
 *
 * A fate tells the caller what to DO, not what happened; the sentence in the
 * err tells a person what happened. Every function that can fail returns an
 * enum fate and takes a struct err * as its last argument. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum fate {
	FATE_DONE = 0, /* it is done; err is untouched */
	FATE_RETRY,    /* same call, same input, later: the world is busy */
	FATE_REJECT,   /* this input will never be accepted: dead-letter it */
	FATE_HALT,     /* this process cannot go on: exit without committing */
};

enum { ERR_WHAT_SIZE = 480, ERR_CODE_SIZE = 12 };

struct err {
	enum fate fate;
	char code[ERR_CODE_SIZE]; /* the world's own code, e.g. SQLSTATE "22012"; "" if none */
	char what[ERR_WHAT_SIZE]; /* always terminated, cut at the end if too long */
};

#define NODISCARD    __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Fills err (code becomes "") and returns fate, so that a refusal is one line
 * at the call site. */
enum fate err_set(struct err *err, enum fate fate, const char *fmt, ...) PRINTF(3, 4);

/* The same with a code, cut to ERR_CODE_SIZE - 1 characters. */
enum fate err_code(struct err *err, enum fate fate, const char *code, const char *fmt, ...)
    PRINTF(4, 5);

/* Puts "outer: " before the sentence already in err; returns err->fate. */
enum fate err_wrap(struct err *err, const char *fmt, ...) PRINTF(2, 3);

const char *fate_name(enum fate fate);

#endif
