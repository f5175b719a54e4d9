/* SPDX-License-Identifier: Apache-2.0 */
#include "link/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/must.h"
#include "base/slice.h"

/* "ADDR:PORT", "[ADDR6]:PORT" or ":PORT" -> an address; names are not resolved. */
static bool
parse_listen(const char *listen, struct sockaddr_storage *ret_address, socklen_t *ret_len)
{
	char host[64];
	const char *colon = strrchr(listen, ':');
	int64_t port;
	if (colon == NULL || !slice_i64(slice_str(colon + 1), &port) || port < 0 ||
	    port > 65535)
		return false;
	size_t len = (size_t)(colon - listen);
	bool six = len >= 2 && listen[0] == '[' && colon[-1] == ']';
	if (len >= sizeof host)
		return false;
	(void)snprintf(host, sizeof host, "%.*s", (int)(six ? len - 2 : len), listen + six);
	memset(ret_address, 0, sizeof *ret_address);
	if (six) {
		struct sockaddr_in6 *a = (struct sockaddr_in6 *)(void *)ret_address;
		a->sin6_family = AF_INET6;
		a->sin6_port = htons((uint16_t)port);
		*ret_len = sizeof *a;
		return inet_pton(AF_INET6, host, &a->sin6_addr) == 1;
	}
	struct sockaddr_in *a = (struct sockaddr_in *)(void *)ret_address;
	a->sin_family = AF_INET;
	a->sin_port = htons((uint16_t)port);
	*ret_len = sizeof *a;
	if (strcmp(host, "localhost") == 0)
		(void)snprintf(host, sizeof host, "127.0.0.1");
	return inet_pton(AF_INET, len ? host : "0.0.0.0", &a->sin_addr) == 1;
}

enum fate
listen_on(const char *where, int *ret_fd, uint16_t *ret_port, struct err *err)
{
	struct sockaddr_storage address;
	socklen_t len;
	int on = 1;
	if (!parse_listen(where, &address, &len))
		return err_set(err, FATE_HALT, "listen '%s': not ADDR:PORT", where);
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(err, FATE_HALT, "socket: %s", strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 1024) < 0) {
		int e = errno;
		close(fd);
		return err_set(err, FATE_HALT, "listen %s: %s", where,
		    e == EADDRINUSE ? "address in use" : strerror(e));
	}
	must(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
	*ret_port = ntohs(address.ss_family == AF_INET6
			      ? ((struct sockaddr_in6 *)(void *)&address)->sin6_port
			      : ((struct sockaddr_in *)(void *)&address)->sin_port);
	*ret_fd = fd;
	return FATE_DONE;
}
