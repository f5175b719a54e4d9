#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh OUT -- replaced by the golden cases.
exit 0
