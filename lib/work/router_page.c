/* SPDX-License-Identifier: Apache-2.0 */
#include "work/router_ops.h"

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
router_page(struct httpd_exchange *x, const struct http_head *head)
{
	(void)x, (void)head;
	return false;
}
