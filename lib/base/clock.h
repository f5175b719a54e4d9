/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h -- the only place that reads clocks; pure code takes times as arguments. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_mono_ms(void); /* never goes back; for waits and ages */
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void);     /* since 1970 UTC */
void clock_sleep_ms(int64_t ms); /* returns early on a signal */

#endif
