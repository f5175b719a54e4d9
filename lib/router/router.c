/* SPDX-License-Identifier: Apache-2.0 */
#include "router/router.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "base/options.h"
#include "base/version.h"
#include "engine/engine_ops.h"
#include "router/ops.h"
#include "wire/json_string.h"
#include "work/lines.h"
#include "work/worker.h"

enum { CHECK_WAIT_MS = 5000, TURN_MS = 1000, LINGER_US = 50 };

struct settings {
	const char *file, *listen, *log_level;
	bool check, print_config;
};

/* The program around the router. */
struct life {
	struct router router;
	struct loop_watch signals;
	struct loop_timer watchdog;
	int64_t watchdog_us; /* 0: not wanted */
	unsigned stops;      /* SIGTERM or SIGINT, so often */
};

/* --- keys, versions, limits of the process --- */

static enum fate
policy_version(struct router *r, struct err *err)
{
	struct buf text = { 0 };
	char hex[DIGEST_HEX_LEN + 1];
	struct digest digest;
	enum fate fate = file_read(r->registry->file, &text, err);

	if (fate == FATE_DONE) {
		digest = digest_of(buf_view(&text));
		digest_hex(&digest, hex);
		(void)snprintf(r->policy_version, sizeof r->policy_version, "%.16s", hex);
	}
	buf_finish(&text);
	return fate;
}

/* 64 hexadecimal digits in a file, so that tokens outlive the process; else random. */
static enum fate
token_key(struct router *r, struct err *err)
{
	const char *file = r->registry->server.token_key_file;
	struct buf text = { 0 };
	struct digest key;
	enum fate fate;

	if (!file) {
		must(getrandom(r->token_key, sizeof r->token_key, 0) == sizeof r->token_key);
		return FATE_DONE;
	}
	fate = file_read(file, &text, err);
	while (text.len && json_blank(text.p[text.len - 1]))
		text.len--;
	if (fate == FATE_DONE && !digest_parse(buf_view(&text), &key))
		fate = err_set(err, FATE_HALT, "%s: a key is 64 hexadecimal digits", file);
	if (fate == FATE_DONE)
		memcpy(r->token_key, key.bytes, sizeof r->token_key);
	buf_finish(&text);
	return fate;
}

static void
descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* --- opening and closing --- */

static void
on_moved(void *ctx)
{
	struct router *r = ctx;

	router_fresh_log(r->fresh);
	statements_moved(r);
}

/* One that cannot be set up is out, and the others answer: 0 when none is left. */
static size_t
engines_open(struct router *r)
{
	const struct engine_options options = { .run = r->run };
	size_t opened = 0;

	for (size_t e = 0; e < r->registry->engine_count; e++) {
		const struct registry_engine *config = &r->registry->engines[e];
		struct err err = { 0 };

		if (!engine_ops_of(config->kind))
			err_set(&err, FATE_HALT, "there is no driver for it here");
		else if (engine_open(config, &options, r->loop, &r->engines[e], &err) ==
			 FATE_DONE)
			opened++;
		if (r->engines[e])
			continue;
		(void)snprintf(r->trouble[e], sizeof r->trouble[e], "%.119s", err.what);
		log_event(LOG_ERROR, "engine_out", "engine=%s why=%s", config->name,
		    log_quote(err.what));
	}
	return opened;
}

static enum fate
router_open(struct router *r, const char *file, const char *listen, struct err *err)
{
	uint64_t run;
	enum fate fate = registry_read(file, &r->registry, err);

	must(getrandom(&run, sizeof run, 0) == sizeof run);
	(void)snprintf(r->run, sizeof r->run, "%016" PRIx64, run);
	r->kept_end = &r->kept;
	r->moved = (struct loop_note){ .run = on_moved, .ctx = r };
	if (fate == FATE_DONE && listen)
		r->registry->server.listen = listen;
	if (fate == FATE_DONE)
		fate = policy_version(r, err);
	if (fate == FATE_DONE)
		fate = token_key(r, err);
	if (fate == FATE_DONE)
		fate = loop_new(&r->loop, err);
	if (fate == FATE_DONE)
		fate = router_keys_open(r->registry, &r->keys, err);
	if (fate == FATE_DONE && r->registry->server.audit_file)
		fate = router_audit_open(r->registry->server.audit_file, &r->audit, err);
	return fate;
}

static enum fate
router_begin(struct router *r, struct err *err)
{
	const struct registry_server *server = &r->registry->server;

	if (engines_open(r) == 0)
		return err_set(
		    err, FATE_HALT, "%s: no engine can be opened", r->registry->file);
	if (router_fresh_open(r->registry, r->loop, &r->moved, &r->fresh, err) != FATE_DONE)
		return err->fate;
	arena_init(&r->arena, PLAN_ARENA);
	r->measure = measure_new();
	r->plans = plan_cache_new(r->registry, (size_t)server->plans_max);
	r->statistics = router_statistics_new(r);
	if (server->history_max)
		r->history = router_history_new((size_t)server->history_max);
	router_metrics_init(r);
	return FATE_DONE;
}

static enum fate
router_listen(struct router *r, struct err *err)
{
	const struct registry_server *server = &r->registry->server;
	struct httpd_loop_options http = { .listen = server->listen,
		.asked = router_asked,
		.ctx = r,
		.connection_max = (unsigned)server->connections_max };

	return httpd_loop_open(r->loop, &http, &r->httpd, err);
}

void
router_halt(struct router *r)
{
	r->draining = true;
	httpd_loop_close(r->httpd);
	r->httpd = NULL;
	statements_cancel_all(r);
	for (size_t e = 0; r->registry && e < r->registry->engine_count; e++) {
		struct engine *engine = r->engines[e];

		r->engines[e] = NULL; /* what ends now is not asked of it again */
		engine_close(engine);
	}
	statements_cancel_all(r); /* answers that are kept */
	must(r->statement_count == 0);
}

static void
router_close(struct router *r)
{
	router_halt(r);
	router_fresh_close(r->fresh);
	router_statistics_free(r->statistics);
	plan_cache_free(r->plans);
	measure_free(r->measure);
	arena_finish(&r->arena);
	router_history_free(r->history);
	router_audit_close(r->audit);
	router_keys_close(r->keys);
	loop_free(r->loop);
	registry_free(r->registry);
}

/* --- signals and systemd --- */

static void
on_signal(void *ctx, unsigned events)
{
	struct life *life = ctx;
	struct signalfd_siginfo info;
	struct err err;

	(void)events;
	while (read(life->signals.fd, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo != SIGHUP) {
			life->stops++;
		} else if (router_keys_again(life->router.keys, &err) == FATE_DONE) {
			log_event(LOG_INFO, "keys", "count=%zu",
			    router_keys_count(life->router.keys));
		} else {
			log_event(LOG_ERROR, "keys", "kept=1 why=%s", log_quote(err.what));
		}
	}
}

static void
on_watchdog(void *ctx)
{
	struct life *life = ctx;

	(void)sd_notify(0, "WATCHDOG=1");
	loop_timer_set(
	    life->router.loop, &life->watchdog, clock_mono_us() + life->watchdog_us / 3);
}

/* Before any thread is made: all of them leave the signals to the loop. */
static void
signals_block(sigset_t *ret)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)sigemptyset(ret);
	(void)sigaddset(ret, SIGTERM);
	(void)sigaddset(ret, SIGINT);
	(void)sigaddset(ret, SIGHUP);
	must(sigprocmask(SIG_BLOCK, ret, NULL) == 0);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGXFSZ, &ignore, NULL); /* a full audit is an error, not an end */
}

static enum fate
signals_watch(struct life *life, const sigset_t *signals, struct err *err)
{
	uint64_t watchdog_us = 0;

	life->signals = (struct loop_watch){
		.fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK),
		.ready = on_signal,
		.ctx = life,
	};
	life->watchdog = (struct loop_timer){ .due = on_watchdog, .ctx = life };
	if (sd_watchdog_enabled(0, &watchdog_us) > 0) {
		life->watchdog_us = (int64_t)watchdog_us;
		on_watchdog(life);
	}
	return loop_watch(life->router.loop, &life->signals, LOOP_READ, err);
}

/* --- running --- */

/* Kept ones that have ended wait for nothing but their time. */
static unsigned
under_way(const struct router *r)
{
	return r->statement_count - r->kept_count;
}

static bool
at_rest(const struct router *r)
{
	return httpd_loop_counts(r->httpd).connections == 0 && under_way(r) == 0;
}

/* For so long at most, or until it has been told to stop so often. */
static void
wait_for_rest(struct life *life, unsigned stops, int64_t ms)
{
	int64_t until_ms = clock_mono_ms() + ms;

	while (life->stops < stops && !at_rest(&life->router) && clock_mono_ms() < until_ms)
		loop_run(life->router.loop, 100);
}

static void
run(struct life *life)
{
	struct router *r = &life->router;
	unsigned cancelled;

	(void)sd_notifyf(0, "READY=1\nSTATUS=port %d", httpd_loop_port(r->httpd));
	log_event(LOG_INFO, "start", "version=%s file=%s policy=%s port=%d keys=%zu",
	    SLUICE_VERSION, r->registry->file, r->policy_version, httpd_loop_port(r->httpd),
	    router_keys_count(r->keys));
	loop_linger(r->loop, LINGER_US); /* a look-up by key takes no longer */
	while (!life->stops)
		loop_run(r->loop, TURN_MS);
	(void)sd_notify(0, "STOPPING=1");
	r->draining = true;
	httpd_loop_drain(r->httpd);
	wait_for_rest(life, 2, r->registry->server.drain_ms);
	cancelled = under_way(r);
	statements_cancel_all(r); /* in the engines too, which do not see that we go */
	wait_for_rest(life, 3, ENGINE_CANCEL_MS);
	log_event(LOG_INFO, "stop", "exit=0 why=asked left=%u cancelled=%u statements=%u",
	    httpd_loop_counts(r->httpd).connections, cancelled, under_way(r));
}

/* --- --check --- */

static bool
probed(const struct router *r)
{
	struct engine_state state;

	for (size_t e = 0; e < r->registry->engine_count; e++) {
		if (!r->engines[e])
			continue;
		engine_state(r->engines[e], &state);
		if (state.down && !*state.trouble)
			return false;
	}
	return true;
}

static int
check(struct router *r)
{
	int64_t until_ms = clock_mono_ms() + CHECK_WAIT_MS;
	int code = EXIT_ASKED;

	while (!probed(r) && clock_mono_ms() < until_ms)
		loop_run(r->loop, 100);
	for (size_t e = 0; e < r->registry->engine_count; e++) {
		struct engine_state state;

		router_engine_state(r, e, &state);
		(void)printf("%s: %s%s%s\n", r->registry->engines[e].name,
		    state.down ? "does not answer" : "answers", state.down ? ": " : "",
		    state.down ? state.trouble : "");
		if (state.down && code != EXIT_CONFIG)
			code = r->engines[e] ? EXIT_RESTART : EXIT_CONFIG;
	}
	if (code == EXIT_ASKED)
		(void)printf("sluice-router: %s is good\n", r->registry->file);
	return code;
}

/* --- the command line --- */

static int
refuse(const struct err *err)
{
	(void)fprintf(stderr, "sluice-router: %s\n", err->what);
	return err->fate == FATE_RETRY ? EXIT_RESTART : EXIT_CONFIG;
}

static enum fate
settings_read(int argc, char **argv, struct settings *ret, enum option_verdict *ret_verdict,
    struct err *err)
{
	const struct option_row rows[] = {
		{ "pipeline", OPTION_TEXT, &ret->file, "FILE",
		    "The router's file: pipelines/router.yaml (required).", 0, 0 },
		{ "listen", OPTION_TEXT, &ret->listen, "ADDR:PORT",
		    "Where it serves, in place of the file's server.listen.", 0, 0 },
		{ "log-level", OPTION_TEXT, &ret->log_level, "LEVEL",
		    "debug, info, warn or error (default info).", 0, 0 },
		{ "check", OPTION_FLAG, &ret->check, NULL,
		    "Validate the file, ask every engine, and exit.", 0, 0 },
		{ "print-config", OPTION_FLAG, &ret->print_config, NULL,
		    "Print the whole configuration, secrets masked, and exit.", 0, 0 },
	};
	const struct option_table table = { "sluice-router",
		"Answers SQL over HTTP by the engine that fits, and says why.", "", 0, 0, rows,
		sizeof rows / sizeof *rows };
	enum fate fate = options_parse(&table, argc, argv, ret_verdict, err);

	if (fate == FATE_DONE && *ret_verdict == OPTIONS_RUN && !ret->file)
		return err_set(
		    err, FATE_HALT, "--pipeline FILE is missing: see sluice-router --help");
	return fate;
}

static int
live(struct life *life, const struct settings *settings)
{
	struct router *r = &life->router;
	struct err err = { 0 };
	sigset_t signals;
	int code = EXIT_ASKED;

	signals_block(&signals);
	descriptors_raise();
	if (router_open(r, settings->file, settings->listen, &err) != FATE_DONE)
		return refuse(&err);
	if (settings->print_config) {
		router_print(r->registry, stdout);
		return EXIT_ASKED;
	}
	if (router_begin(r, &err) != FATE_DONE)
		return refuse(&err);
	if (settings->check)
		return check(r);
	if (router_listen(r, &err) != FATE_DONE ||
	    signals_watch(life, &signals, &err) != FATE_DONE)
		return refuse(&err);
	run(life);
	return code;
}

int
router_main(int argc, char **argv)
{
	struct settings settings = { .log_level = "info" };
	struct life *life;
	enum option_verdict verdict;
	enum log_level level;
	struct err err = { 0 };
	int code;

	if (settings_read(argc, argv, &settings, &verdict, &err) != FATE_DONE)
		return refuse(&err);
	if (verdict == OPTIONS_EXIT_OK)
		return EXIT_ASKED;
	if (!log_level_parse(settings.log_level, &level)) {
		err_set(&err, FATE_HALT, "--log-level %s: it takes debug, info, warn or error",
		    settings.log_level);
		return refuse(&err);
	}
	log_init("sluice-router", level);
	life = calloc(1, sizeof *life);
	must(life);
	life->signals.fd = -1;
	code = live(life, &settings);
	if (life->router.loop) {
		loop_unwatch(life->router.loop, &life->signals);
		loop_timer_clear(life->router.loop, &life->watchdog);
	}
	router_close(&life->router);
	if (life->signals.fd >= 0)
		(void)close(life->signals.fd);
	free(life);
	return code;
}
