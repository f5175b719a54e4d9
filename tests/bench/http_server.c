/* SPDX-License-Identifier: Apache-2.0 */
/* http_server PORT: the fastest receiver at hand, so that it is the client that is measured.
 *
 * One epoll thread, HTTP/1.1 with keep-alive and pipelining, bodies by Content-Length; every
 * request is answered 200 with two bytes. It looks at nothing. SIGUSR1 prints "requests
 * seconds cpu_seconds" (seconds: from the first request to the last) and begins anew. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/slice.h"

enum { FDS = 4096, ROOM = 65536, EVENTS = 256, ANSWERS_MAX = 256 };

struct connection {
	size_t len;
	char bytes[ROOM + 1];
};

struct server {
	struct connection *connections[FDS];
	int epoll, listener, signals;
	long requests;
	int64_t first_us, last_us;
	double cpu;
};

static const char answer[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";

static double
cpu_seconds(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void
watch(struct server *s, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data = { .fd = fd } };

	must(epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

static void
take_connections(struct server *s)
{
	int fd, on = 1;

	while ((fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		must(fd < FDS);
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		s->connections[fd] = calloc(1, sizeof(struct connection));
		must(s->connections[fd]);
		watch(s, fd);
	}
}

static void
end_connection(struct server *s, int fd)
{
	(void)close(fd);
	free(s->connections[fd]);
	s->connections[fd] = NULL;
}

/* Cuts whole requests off; returns how many. */
static size_t
cut_requests(struct connection *c)
{
	size_t at = 0, count = 0;

	for (;;) {
		char *begin = c->bytes + at, *end, *length;
		size_t whole;

		c->bytes[c->len] = 0;
		end = strstr(begin, "\r\n\r\n");
		if (!end)
			break;
		*end = 0;
		length = strcasestr(begin, "\r\ncontent-length:");
		whole =
		    (size_t)(end + 4 - begin) + (length ? strtoul(length + 17, NULL, 10) : 0);
		*end = '\r';
		if (at + whole > c->len)
			break;
		at += whole;
		count++;
	}
	memmove(c->bytes, c->bytes + at, c->len - at);
	c->len -= at;
	return count;
}

static void
serve(struct server *s, int fd)
{
	struct connection *c = s->connections[fd];
	ssize_t got = read(fd, c->bytes + c->len, ROOM - c->len);
	size_t count;

	if (got <= 0) {
		if (got == 0 || errno != EAGAIN)
			end_connection(s, fd);
		return;
	}
	c->len += (size_t)got;
	count = cut_requests(c);
	must(count <= ANSWERS_MAX);
	if (count == 0)
		return;
	s->last_us = clock_mono_us();
	if (s->requests == 0)
		s->first_us = s->last_us;
	s->requests += (long)count;
	for (; count > 0; count--)
		if (write(fd, answer, sizeof answer - 1) < 0)
			break;
}

static void
report(struct server *s)
{
	struct signalfd_siginfo info;

	must(read(s->signals, &info, sizeof info) == sizeof info);
	(void)printf("%ld %.6f %.3f\n", s->requests, (double)(s->last_us - s->first_us) / 1e6,
	    cpu_seconds() - s->cpu);
	(void)fflush(stdout);
	s->requests = 0;
	s->cpu = cpu_seconds();
}

static void
server_open(struct server *s, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	sigset_t signals;
	int on = 1;

	s->epoll = epoll_create1(0);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	(void)setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	must(bind(s->listener, (struct sockaddr *)&address, sizeof address) == 0);
	must(listen(s->listener, 1024) == 0);
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	s->signals = signalfd(-1, &signals, 0);
	watch(s, s->listener);
	watch(s, s->signals);
}

int
main(int argc, char **argv)
{
	static struct server server;
	struct epoll_event events[EVENTS];
	uint64_t port;

	if (argc != 2 || !slice_u64(slice_str(argv[1]), &port) || port > 65535) {
		(void)fprintf(stderr, "usage: http_server PORT\n");
		return 2;
	}
	server_open(&server, (uint16_t)port);
	for (;;) {
		int count = epoll_wait(server.epoll, events, EVENTS, -1);

		for (int i = 0; i < count; i++) {
			int fd = events[i].data.fd;

			if (fd == server.listener)
				take_connections(&server);
			else if (fd == server.signals)
				report(&server);
			else
				serve(&server, fd);
		}
	}
}
