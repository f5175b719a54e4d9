/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-http: every change as a signed webhook, at least once. */
#include "work/hook.h"

static const char *
listen_of(const struct pipeline *pipeline)
{
	return pipeline->has_http ? pipeline->http->listen : NULL;
}

static const struct worker worker = {
	.name = "http",
	.prog = "sluice-http",
	.summary = "Carries every change to a webhook, signed, at least once, in order a key.",
	.listen = listen_of,
	.choose = hook_work_choose,
	.check = hook_work_check,
	.run = hook_work_run,
};

int
main(int argc, char **argv)
{
	return worker_main(&worker, argc, argv);
}
