/* SPDX-License-Identifier: Apache-2.0 */
/* version.h -- what --version prints; raised by hand with each release. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#define SLUICE_VERSION "0.1.0"

#endif
