/* SPDX-License-Identifier: Apache-2.0 */
#include "router/ops.h"
#include "router/page.h"

/* The assembler copies the file; the Makefile knows that this object depends on it. */
__asm__(".pushsection .rodata\nrouter_openapi_text:\n.incbin \"cmd/router/openapi.json\"\n"
	"router_openapi_end:\n.byte 0\n.popsection\n");
extern const char router_openapi_text[], router_openapi_end[];

struct slice
router_openapi(void)
{
	return slice_of(
	    router_openapi_text, (size_t)(router_openapi_end - router_openapi_text));
}

bool
router_page(struct httpd_exchange *x)
{
	const struct page_file *file = page_file(httpd_head(x)->path.p);
	bool known;

	if (!file)
		return false;
	known = slice_eq(httpd_head_value(x, "if-none-match"), slice_str(file->etag));
	httpd_begin(x, known ? 304 : 200, file->content_type);
	httpd_add_header(x, "Content-Security-Policy", SLICE(PAGE_POLICY));
	httpd_add_header(x, "ETag", slice_str(file->etag));
	buf_slice(httpd_out(x), file->body); /* with 304 only its length is sent */
	httpd_end(x, NULL);
	return true;
}
