/* SPDX-License-Identifier: Apache-2.0 */
#include "router/page.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The assembler copies the file; the Makefile knows that this object depends on it. */
#define CARRY(symbol, file)                                                                    \
	__asm__(".pushsection .rodata\n.global " #symbol "\n" #symbol ":\n.incbin \"" file     \
		"\"\n.global " #symbol "_end\n" #symbol "_end:\n.byte 0\n.popsection\n");      \
	extern const char symbol[], symbol##_end[]

CARRY(page_index, "cmd/router/page/index.html");
CARRY(page_docs, "cmd/router/page/docs.html");
CARRY(page_style, "cmd/router/page/style.css");
CARRY(page_icon, "cmd/router/page/icon.svg");
CARRY(page_theme_js, "cmd/router/page/theme.js");
CARRY(page_dom_js, "cmd/router/page/dom.js");
CARRY(page_api_js, "cmd/router/page/api.js");
CARRY(page_editor_js, "cmd/router/page/editor.js");
CARRY(page_answer_js, "cmd/router/page/answer.js");
CARRY(page_chart_js, "cmd/router/page/chart.js");
CARRY(page_trace_js, "cmd/router/page/trace.js");
CARRY(page_compare_js, "cmd/router/page/compare.js");
CARRY(page_live_js, "cmd/router/page/live.js");
CARRY(page_docs_js, "cmd/router/page/docs.js");
CARRY(page_app_js, "cmd/router/page/app.js");

#define HTML   "text/html; charset=utf-8"
#define SCRIPT "text/javascript; charset=utf-8"

static const struct {
	const char *path, *content_type, *body, *end;
} carried[] = {
	{ "/", HTML, page_index, page_index_end },
	{ "/docs", HTML, page_docs, page_docs_end },
	{ "/page/style.css", "text/css; charset=utf-8", page_style, page_style_end },
	{ "/page/icon.svg", "image/svg+xml", page_icon, page_icon_end },
	{ "/page/theme.js", SCRIPT, page_theme_js, page_theme_js_end },
	{ "/page/dom.js", SCRIPT, page_dom_js, page_dom_js_end },
	{ "/page/api.js", SCRIPT, page_api_js, page_api_js_end },
	{ "/page/editor.js", SCRIPT, page_editor_js, page_editor_js_end },
	{ "/page/answer.js", SCRIPT, page_answer_js, page_answer_js_end },
	{ "/page/chart.js", SCRIPT, page_chart_js, page_chart_js_end },
	{ "/page/trace.js", SCRIPT, page_trace_js, page_trace_js_end },
	{ "/page/compare.js", SCRIPT, page_compare_js, page_compare_js_end },
	{ "/page/live.js", SCRIPT, page_live_js, page_live_js_end },
	{ "/page/docs.js", SCRIPT, page_docs_js, page_docs_js_end },
	{ "/page/app.js", SCRIPT, page_app_js, page_app_js_end },
};
enum { FILES = sizeof carried / sizeof *carried };

static struct page_file files[FILES];
static pthread_once_t filled = PTHREAD_ONCE_INIT;

/* FNV-1a: it tells builds apart, not forgers. */
static uint64_t
hash(struct slice text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < text.len; i++)
		h = (h ^ (unsigned char)text.p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static void
fill(void)
{
	for (size_t i = 0; i < FILES; i++) {
		struct page_file *file = &files[i];

		file->path = carried[i].path;
		file->content_type = carried[i].content_type;
		file->body =
		    slice_of(carried[i].body, (size_t)(carried[i].end - carried[i].body));
		(void)snprintf(
		    file->etag, sizeof file->etag, "\"%016" PRIx64 "\"", hash(file->body));
	}
}

const struct page_file *
page_file(const char *path)
{
	(void)pthread_once(&filled, fill);
	for (size_t i = 0; i < FILES; i++) {
		if (strcmp(files[i].path, path) == 0)
			return &files[i];
	}
	return NULL;
}
