/* SPDX-License-Identifier: Apache-2.0 */
/* listen.h -- a TCP socket that listens where a text says. */
#ifndef LINK_LISTEN_H
#define LINK_LISTEN_H

#include <stdint.h>

#include "base/err.h"

/* "ADDR:PORT", "[ADDR6]:PORT" or ":PORT" (all addresses); names but localhost are not
 * resolved. Non-blocking, TCP_NODELAY for what it accepts. HALT: no address, or in use. */
enum fate listen_on(
    const char *where, int *ret_fd, uint16_t *ret_port, struct err *err) NODISCARD;

#endif
