/* SPDX-License-Identifier: Apache-2.0 */
/* must.h -- a check that stays on in production.
 *
 * must() is for the programmer's promises, never for the world's answers: a
 * failed must() means this process no longer knows what it is doing, so it
 * stops at once and lets the supervisor start a clean one. */
#ifndef BASE_MUST_H
#define BASE_MUST_H

_Noreturn void must_fail(const char *file, int line, const char *func, const char *claim);

#define must(claim) ((claim) ? (void)0 : must_fail(__FILE__, __LINE__, __func__, #claim))

/* The line no execution can reach, said aloud. */
#define never(why) must_fail(__FILE__, __LINE__, __func__, why)

#endif
