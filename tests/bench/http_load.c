/* SPDX-License-Identifier: Apache-2.0 */
/* http_load PORT CONNECTIONS SECONDS WANTED < REQUEST: one request again and again.
 *
 * Each connection of 127.0.0.1 has one request under way and sends the next when the answer is
 * whole by its Content-Length. Every answer must be 200 and hold WANTED, or it aborts. Prints
 * "answers seconds" when the time is over and the last answers are there. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/slice.h"

enum { CONNECTIONS_MAX = 1024, ROOM = 65536 };

struct connection {
	int fd;
	size_t len;
	char bytes[ROOM + 1];
};

static char request[ROOM];
static size_t request_len;

static void
ask(const struct connection *c)
{
	must(write(c->fd, request, request_len) == (ssize_t)request_len);
}

static struct connection *
connection_new(int epoll, uint16_t port)
{
	struct connection *c = calloc(1, sizeof *c);
	struct epoll_event event = { .events = EPOLLIN, .data = { .ptr = c } };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int on = 1;

	must(c);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	must(c->fd >= 0 && connect(c->fd, (struct sockaddr *)&to, sizeof to) == 0);
	must(setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) == 0);
	return c;
}

/* Reads on; whether the answer is whole, and the right one. */
static bool
answered(struct connection *c, const char *wanted)
{
	static const char length[] = "Content-Length: ";
	ssize_t n = read(c->fd, c->bytes + c->len, ROOM - c->len);
	char *end, *at;

	must(n > 0);
	c->len += (size_t)n;
	c->bytes[c->len] = '\0';
	end = strstr(c->bytes, "\r\n\r\n");
	if (!end)
		return false;
	at = strcasestr(c->bytes, length);
	must(at && at < end);
	end += 4 + strtoul(at + sizeof length - 1, NULL, 10);
	if (c->bytes + c->len < end)
		return false;
	must(c->bytes + c->len == end && strncmp(c->bytes, "HTTP/1.1 200 ", 13) == 0);
	must(strstr(c->bytes, wanted));
	c->len = 0;
	return true;
}

int
main(int argc, char **argv)
{
	int64_t port, connections, seconds, answers = 0, began_us, now_us;
	int epoll = epoll_create1(0);
	struct epoll_event events[CONNECTIONS_MAX];

	if (argc != 5 || !slice_i64(slice_str(argv[1]), &port) ||
	    !slice_i64(slice_str(argv[2]), &connections) ||
	    !slice_i64(slice_str(argv[3]), &seconds) || connections > CONNECTIONS_MAX)
		return 2;
	request_len = fread(request, 1, sizeof request, stdin);
	must(request_len > 0 && feof(stdin) && epoll >= 0);
	began_us = now_us = clock_mono_us();
	for (int64_t i = 0; i < connections; i++)
		ask(connection_new(epoll, (uint16_t)port));
	for (int64_t under_way = connections; under_way > 0;) {
		int n = epoll_wait(epoll, events, CONNECTIONS_MAX, 30000);

		must(n > 0);
		for (int i = 0; i < n; i++) {
			if (!answered(events[i].data.ptr, argv[4]))
				continue;
			answers++;
			now_us = clock_mono_us();
			if (now_us < began_us + seconds * 1000000)
				ask(events[i].data.ptr);
			else
				under_way--;
		}
	}
	(void)printf("%" PRId64 " %.6f\n", answers, (double)(now_us - began_us) / 1e6);
	return 0;
}
