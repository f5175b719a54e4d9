/* SPDX-License-Identifier: Apache-2.0 */
/* httpd_wire.h -- a connection of the server on the loop. Private to httpd_*.c.
 *
 * out holds what was sealed and not yet taken (from sent to sealed), then a hole, then
 * what the handler writes. Sealing fills the hole from its right end: with the whole
 * head, or with a chunk's size, so that nothing is copied and one send() takes all. */
#ifndef LINK_HTTPD_WIRE_H
#define LINK_HTTPD_WIRE_H

#include "base/buf.h"
#include "link/httpd_loop.h"

enum {
	HTTPD_HEAD_HOLE = 640,      /* status line, headers of ours, and: */
	HTTPD_ADDED_MAX = 300,      /* those that were added */
	HTTPD_CHUNK_HOLE = 10,      /* "0000ffff\r\n" */
	HTTPD_KEEP = 2048,          /* a larger buffer is not kept by an idle connection */
	HTTPD_AHEAD_MAX = 64 << 10, /* of requests that came behind the one under way */
};

struct httpd_list {
	struct httpd_exchange *first, *last;
};

struct httpd_exchange {
	struct httpd_loop *server;
	struct loop_watch watch;
	struct loop_timer timer;
	int64_t due_us; /* 0: never; the timer may come earlier and looks again */
	struct httpd_list *list;
	struct httpd_exchange *next, *before;
	enum { HTTPD_IDLE, HTTPD_READING, HTTPD_ASKED, HTTPD_LINGER } state;

	/* in */
	struct buf in;    /* what is not done with; while has_head the head is its start */
	size_t scanned;   /* of in: holds no end of a head */
	size_t head_size; /* of the head, while has_head */
	struct buf body;  /* decoded */
	struct http_chunks chunks;
	size_t lingered;
	bool has_head, continued, eof;

	/* of the request under way */
	bool keep_alive, head_only;
	unsigned minor;

	/* out */
	struct buf out;
	size_t sent, sealed, hole; /* the hole ends where the handler's bytes begin */
	unsigned status;
	const char *content_type;
	struct buf added; /* headers */
	bool flushed, ended, moved, broken, wants_room;
	const struct httpd_owner *owner;
	void *owner_ctx;
};

struct httpd_loop {
	struct httpd_loop_options options;
	struct loop *loop;
	struct loop_watch listener;
	struct loop_timer again; /* accepts again after a lack of descriptors */
	uint16_t port;
	bool draining;
	struct httpd_list idle, busy;
	struct httpd_loop_counts counts;
	struct http_head *head;         /* of the request that asked() is told of */
	struct httpd_exchange *current; /* whose bytes are being read; NULL: it ended */
	int64_t date_s;
	char date[64];
	char scratch[64 << 10];
};

/* httpd_out.c: closes what the handler has written into a chunk, or into the whole answer
 * with its length. last: a trailer or "" ends the answer; NULL: more will come. */
void httpd_seal(struct httpd_exchange *x, const char *last);
/* All that was sealed has been taken: the hole begins the buffer again. */
void httpd_rewind(struct httpd_exchange *x);

#endif
