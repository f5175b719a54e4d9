/* SPDX-License-Identifier: Apache-2.0 */
/* leaderboard_script.h -- leaderboard.lua, carried inside the program. Terminated. */
#ifndef SINK_LEADERBOARD_SCRIPT_H
#define SINK_LEADERBOARD_SCRIPT_H

extern const char leaderboard_script[];

#endif
