/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/leaderboard_script.h"

__asm__(".pushsection .rodata\n"
	".global leaderboard_script\n"
	"leaderboard_script:\n"
	".incbin \"lib/sink/leaderboard.lua\"\n"
	".byte 0\n"
	".popsection\n");
