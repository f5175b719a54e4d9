/* SPDX-License-Identifier: Apache-2.0 */
/* page.h -- the router's web page: files of cmd/router/page that the program carries
 * inside, each with the path it is served at. Whoever serves one adds PAGE_POLICY; the
 * page needs no key, what it then asks does. */
#ifndef ROUTER_PAGE_H
#define ROUTER_PAGE_H

#include "base/slice.h"

/* Content-Security-Policy: nothing from elsewhere, nothing inline, in nobody's frame. */
#define PAGE_POLICY                                                                            \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "            \
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

struct page_file {
	const char *path, *content_type;
	struct slice body;
	char etag[20]; /* quoted; changes with the body */
};

/* "/", "/docs" or "/page/..."; NULL: no such file. From any thread. */
const struct page_file *page_file(const char *path);

#endif
