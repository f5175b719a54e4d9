/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/options.h"
#include "demo/receiver.h"
#include "work/worker.h"

static enum fate
settings_read(int argc, char **argv, struct receiver_options *ret,
    enum option_verdict *ret_verdict, struct err *err)
{
	int64_t ids_max = INT64_C(2000000), body_max = INT64_C(16) << 20;
	const struct option_row rows[] = {
		{ "listen", OPTION_TEXT, &ret->listen, "ADDR:PORT",
		    "Where to listen (default 127.0.0.1:8088; port 0: any).", 0, 0 },
		{ "path", OPTION_TEXT, &ret->path, "PATH",
		    "Where deliveries are posted to (default /events).", 0, 0 },
		{ "secret", OPTION_TEXT, &ret->secrets, "SECRET",
		    "Check signatures against whsec_..., or several, separated by blanks "
		    "(default: SLUICE_HTTP_SECRET).",
		    0, 0 },
		{ "script", OPTION_TEXT, &ret->script, "JSON",
		    "How to answer from the start on, as POST /script takes it.", 0, 0 },
		{ "ids-max", OPTION_INT, &ids_max, "N",
		    "Distinct ids to remember; more are refused with 507 (default 2000000).", 1,
		    INT64_C(1) << 26 },
		{ "body-max", OPTION_INT, &body_max, "BYTES",
		    "Largest body taken; larger ones get 413 (default 16 MB).", 1,
		    INT64_C(1) << 30 },
	};
	const struct option_table table = { "sluice-receiver",
		"A mock webhook API: counts what it gets and answers as told.", "", 0, 0, rows,
		sizeof rows / sizeof *rows };
	enum fate fate = options_parse(&table, argc, argv, ret_verdict, err);

	ret->ids_max = (size_t)ids_max;
	ret->body_max = (size_t)body_max;
	return fate;
}

static int
refuse(const struct err *err)
{
	(void)fprintf(stderr, "sluice-receiver: %s\n", err->what);
	return EXIT_CONFIG;
}

/* Signals are blocked before the server's threads start, so that they come here. */
static void
wait_for_stop(const sigset_t *stops)
{
	int signal_number;

	(void)sigwait(stops, &signal_number);
}

int
receiver_main(int argc, char **argv)
{
	struct receiver_options options = { .listen = "127.0.0.1:8088",
		.path = "/events",
		.secrets = getenv("SLUICE_HTTP_SECRET") };
	struct receiver *receiver = NULL;
	struct receiver_stats stats;
	enum option_verdict verdict;
	struct err err = { 0 };
	sigset_t stops;

	if (settings_read(argc, argv, &options, &verdict, &err) != FATE_DONE)
		return refuse(&err);
	if (verdict == OPTIONS_EXIT_OK)
		return EXIT_ASKED;
	(void)sigemptyset(&stops);
	(void)sigaddset(&stops, SIGTERM);
	(void)sigaddset(&stops, SIGINT);
	(void)pthread_sigmask(SIG_BLOCK, &stops, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	log_init("sluice-receiver", LOG_INFO);
	if (receiver_start(&options, &receiver, &err) != FATE_DONE)
		return refuse(&err);
	log_event(LOG_INFO, "listen", "address=%s port=%" PRIu16 " path=%s signed=%d",
	    options.listen, receiver_port(receiver), options.path,
	    options.secrets && *options.secrets);
	wait_for_stop(&stops);
	receiver_stats(receiver, &stats);
	receiver_stop(receiver);
	log_event(LOG_INFO, "stop",
	    "requests=%" PRIu64 " distinct=%" PRIu64 " duplicates=%" PRIu64
	    " bad_signature=%" PRIu64 " order_violations=%" PRIu64,
	    stats.requests, stats.distinct, stats.duplicates, stats.bad_signature,
	    stats.order_violations);
	return EXIT_ASKED;
}
