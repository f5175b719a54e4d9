#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# format.sh -- clang-format 14 has nothing to say.
set -eu
command -v clang-format-14 >/dev/null || { echo "missing clang-format-14: apt-get install clang-format-14"; exit 1; }
clang-format-14 --dry-run --Werror $(git ls-files '*.c' '*.h')
