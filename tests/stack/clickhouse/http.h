/* SPDX-License-Identifier: Apache-2.0 */
/* http.h -- the listening socket and its threads (libmicrohttpd).
 *
 * One thread a connection, bounded; 127.0.0.1 only, because file() and url() are
 * open to any query. Bodies over the limit are refused before they are read. */
#ifndef CLICKHOUSE_HTTP_H
#define CLICKHOUSE_HTTP_H

#include "request.h"

struct http;

enum { HTTP_CONNECTIONS_MAX = 256 };

/* HALT when the port is taken. The server outlives the http. */
enum fate http_start(
    struct server *server, uint16_t port, struct http **ret_http, struct err *err) NODISCARD;
void http_quiesce(struct http *http); /* no new connections */
void http_stop(struct http *http);    /* breaks off the connections that are left */

#endif
