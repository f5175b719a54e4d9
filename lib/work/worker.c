/* SPDX-License-Identifier: Apache-2.0 */
#include "work/worker.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/must.h"
#include "base/options.h"
#include "base/version.h"
#include "work/crash.h"
#include "work/health.h"

enum {
	PAUSE_BASE_MS = 200,
	PAUSE_MAX_MS = 10000,
	STEP_MS = 100,
	SECRETS_AGAIN_MS = 1000,
	SLOT_PORT_STEP = 100,
	OPTIONS_OF_CHOOSE = 2
};

static volatile sig_atomic_t stop_signals, read_again;
static int64_t read_again_ms; /* not before */

static struct {
	int64_t watchdog_ms; /* between WATCHDOG=1; 0: not wanted */
	int64_t next_beat_ms;
	bool ready;
	char status[160];
	char alarms[ALARM_COUNT][300];
} life;

static const char *const alarm_kinds[ALARM_COUNT] = {
	[ALARM_REFRESH] = "refresh_rows_max",
	[ALARM_GAP] = "gap_suspected",
};
static struct metric alarm_metrics[ALARM_COUNT] = {
	[ALARM_REFRESH] = { "sluice_alarm", "kind=\"refresh_rows_max\"", METRIC_GAUGE,
	    "1 while somebody must look at it; the log says what it is.", 0 },
	[ALARM_GAP] = { "sluice_alarm", "kind=\"gap_suspected\"", METRIC_GAUGE, "", 0 },
};

struct settings {
	const char *pipeline, *listen, *log_level, *destination;
	int64_t slot;
	bool check, print_config, drain;
};

static void
on_stop(int signal_number)
{
	(void)signal_number;
	stop_signals++;
}

static void
on_reload(int signal_number)
{
	(void)signal_number;
	read_again = 1;
}

bool
work_stopping(void)
{
	return stop_signals > 0;
}

bool
work_dropping(void)
{
	return stop_signals > 1;
}

struct pipeline *
work_secrets(const struct work *work)
{
	struct pipeline *now = NULL;
	struct err err = { 0 };

	if (!read_again || clock_mono_ms() < read_again_ms)
		return NULL;
	read_again = 0;
	if (pipeline_read(work->pipeline->file, &now, &err) == FATE_DONE)
		return now;
	work_secrets_said(&err);
	return NULL;
}

void
work_secrets_said(const struct err *err)
{
	if (err && err->fate == FATE_RETRY) {
		read_again_ms = clock_mono_ms() + SECRETS_AGAIN_MS;
		read_again = 1;
		log_event(LOG_WARN, "secrets", "taken=0 again_ms=%d why=%s", SECRETS_AGAIN_MS,
		    log_quote(err->what));
	} else if (err)
		log_event(LOG_ERROR, "secrets", "taken=0 why=%s", log_quote(err->what));
	else
		log_event(LOG_INFO, "secrets", "taken=1");
}

void
work_beat(void)
{
	int64_t now;

	if (life.watchdog_ms == 0)
		return;
	now = clock_mono_ms();
	if (now < life.next_beat_ms)
		return;
	life.next_beat_ms = now + life.watchdog_ms;
	(void)sd_notify(0, "WATCHDOG=1");
}

/* The status with the alarms behind it. */
static void
status_show(void)
{
	struct buf text = { 0 };

	buf_cstr(&text, life.status);
	for (size_t i = 0; i < ALARM_COUNT; i++)
		if (life.alarms[i][0])
			buf_printf(&text, "; %s: %s", alarm_kinds[i], life.alarms[i]);
	health_ready(life.ready, buf_str(&text));
	(void)sd_notifyf(0, "STATUS=%s", buf_str(&text));
	buf_finish(&text);
}

void
work_status(bool ready, const char *fmt, ...)
{
	char status[sizeof life.status];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(status, sizeof status, fmt, args);
	va_end(args);
	if (strcmp(status, life.status) == 0 && ready == life.ready)
		return;
	memcpy(life.status, status, sizeof status);
	life.ready = ready;
	status_show();
	log_event(LOG_INFO, "status", "ready=%d what=%s", ready, log_quote(status));
}

void
work_alarm(enum work_alarm kind, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(life.alarms[kind], sizeof life.alarms[kind], fmt, args);
	va_end(args);
	metric_set(&alarm_metrics[kind], 1);
	status_show();
	log_event(LOG_ERROR, "alarm", "kind=%s why=%s", alarm_kinds[kind],
	    log_quote(life.alarms[kind]));
}

void
work_progress(int64_t acknowledged, int64_t lag)
{
	health_progress(acknowledged, lag, clock_mono_ms());
}

int64_t
pause_next_ms(struct pause *pause)
{
	int64_t base = pause->base_ms ? pause->base_ms : PAUSE_BASE_MS;
	int64_t most = pause->max_ms ? pause->max_ms : PAUSE_MAX_MS;
	int64_t top = base << (pause->attempt < 16 ? pause->attempt : 16);
	uint32_t dice = 0;

	if (top > most)
		top = most;
	pause->attempt++;
	(void)!getrandom(&dice, sizeof dice, 0);
	return top / 2 + (int64_t)(dice % (uint32_t)(top / 2 + 1));
}

void
pause_wait(struct pause *pause)
{
	int64_t until = clock_mono_ms() + pause_next_ms(pause);

	for (int64_t left; !work_stopping() && (left = until - clock_mono_ms()) > 0;) {
		work_beat();
		clock_sleep_ms(left < STEP_MS ? left : STEP_MS);
	}
}

void
pause_reset(struct pause *pause)
{
	pause->attempt = 0;
}

static int
exit_of(const struct err *err)
{
	if (strcmp(err->code, CODE_RESTART) == 0)
		return EXIT_RESTART;
	if (strcmp(err->code, CODE_CONFIG) == 0)
		return EXIT_CONFIG;
	return EXIT_STOP;
}

/* A refusal before the logs are set up: for the person at the terminal. */
static int
refuse(const struct worker *worker, const struct err *err)
{
	(void)fprintf(stderr, "%s: %s\n", worker->prog, err->what);
	return EXIT_CONFIG;
}

static void
signals_install(void)
{
	struct sigaction stop = { .sa_handler = on_stop };
	struct sigaction reload = { .sa_handler = on_reload, .sa_flags = SA_RESTART };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)sigaction(SIGTERM, &stop, NULL);
	(void)sigaction(SIGINT, &stop, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGHUP, &reload, NULL);
}

static void
systemd_hello(void)
{
	uint64_t watchdog_us = 0;

	if (sd_watchdog_enabled(0, &watchdog_us) > 0)
		life.watchdog_ms = (int64_t)(watchdog_us / 3000);
	(void)sd_notify(0, "READY=1\nSTATUS=starting");
}

static enum fate
settings_read(const struct worker *worker, int argc, char **argv, struct settings *ret,
    enum option_verdict *ret_verdict, struct err *err)
{
	const struct option_row rows[] = {
		{ "pipeline", OPTION_TEXT, &ret->pipeline, "FILE",
		    "The pipeline file (required).", 0, 0 },
		{ "slot", OPTION_INT, &ret->slot, "N",
		    "Which of several workers of one group this is: 0 to 31.", 0, SLOT_MAX },
		{ "listen", OPTION_TEXT, &ret->listen, "ADDR:PORT",
		    "Where /metrics, /livez and /readyz are served (default: the pipeline "
		    "file's, "
		    "plus 100 a slot; - for none).",
		    0, 0 },
		{ "log-level", OPTION_TEXT, &ret->log_level, "LEVEL",
		    "debug, info, warn or error (default info).", 0, 0 },
		{ "check", OPTION_FLAG, &ret->check, NULL,
		    "Validate the configuration against the live systems and exit.", 0, 0 },
		{ "print-config", OPTION_FLAG, &ret->print_config, NULL,
		    "Print the whole configuration, secrets masked, and exit.", 0, 0 },
		/* last: not every worker has them */
		{ "destination", OPTION_TEXT, &ret->destination, "NAME",
		    "Which of the pipeline's destinations, when it has several.", 0, 0 },
		{ "drain", OPTION_FLAG, &ret->drain, NULL,
		    "Deliveries that are open in another form of the body go out in this "
		    "one.",
		    0, 0 },
	};
	const struct option_table table = { worker->prog, worker->summary, "", 0, 0, rows,
		sizeof rows / sizeof *rows - (worker->choose ? 0 : OPTIONS_OF_CHOOSE) };
	enum fate fate = options_parse(&table, argc, argv, ret_verdict, err);

	if (fate == FATE_DONE && *ret_verdict == OPTIONS_RUN && !ret->pipeline)
		return err_set(
		    err, FATE_HALT, "--pipeline FILE is missing: see %s --help", worker->prog);
	return fate;
}

/* "127.0.0.1:9101" and slot 2 -> "127.0.0.1:9301". */
static enum fate
listen_address(const char *base, int64_t slot, char *ret, size_t size, struct err *err)
{
	const char *colon = strrchr(base, ':');
	int64_t port;

	if (!colon || !slice_i64(slice_str(colon + 1), &port) || port < 0 ||
	    port + slot * SLOT_PORT_STEP > 65535)
		return err_set(err, FATE_HALT, "listen address %s: it takes ADDR:PORT", base);
	(void)snprintf(ret, size, "%.*s:%" PRId64, (int)(colon - base), base,
	    port ? port + slot * SLOT_PORT_STEP : 0);
	return FATE_DONE;
}

static enum fate
listen_start(const struct worker *worker, const struct settings *settings, struct work *work,
    struct err *err)
{
	char address[128];
	enum fate fate;

	if (settings->listen && strcmp(settings->listen, "-") == 0)
		return FATE_DONE;
	if (settings->listen)
		return health_listen(settings->listen, err);
	fate = listen_address(
	    work->destination ? work->destination->listen : worker->listen(work->pipeline),
	    settings->slot, address, sizeof address, err);
	return fate == FATE_DONE ? health_listen(address, err) : fate;
}

static int
run(const struct worker *worker, struct work *work)
{
	struct err err = { 0 };
	enum fate fate;

	log_event(LOG_INFO, "start", "version=%s pipeline=%s group=%s slot=%d", SLUICE_VERSION,
	    work->pipeline->name, work->group, work->slot);
	crash_open(work->member);
	fate = worker->run(work, &err);
	if (fate == FATE_DONE) {
		log_event(LOG_INFO, "stop", "exit=0 why=asked");
		return EXIT_ASKED;
	}
	log_event(LOG_ERROR, "stop", "exit=%d code=%s why=%s", exit_of(&err),
	    *err.code ? err.code : "-", log_quote(err.what));
	return exit_of(&err);
}

static int
check(const struct worker *worker, struct work *work)
{
	struct err err = { 0 };
	enum fate fate = worker->check(work, &err);

	if (fate == FATE_DONE) {
		(void)printf("%s: %s is good\n", worker->prog, work->pipeline->file);
		return EXIT_ASKED;
	}
	(void)fprintf(stderr, "%s: %s\n", worker->prog, err.what);
	return fate == FATE_RETRY ? EXIT_RESTART : EXIT_CONFIG;
}

static int
print_config(const struct pipeline *pipeline)
{
	struct buf out = { 0 };

	pipeline_print(pipeline, &out);
	(void)fwrite(out.p, 1, out.len, stdout);
	buf_finish(&out);
	return EXIT_ASKED;
}

static int
live(const struct worker *worker, const struct settings *settings, struct work *work)
{
	struct err err = { 0 };
	int code;

	signals_install();
	if (settings->check)
		return check(worker, work);
	if (listen_start(worker, settings, work, &err) != FATE_DONE)
		return refuse(worker, &err);
	systemd_hello();
	metrics_register(alarm_metrics, ALARM_COUNT);
	code = run(worker, work);
	(void)sd_notify(0, "STOPPING=1");
	health_close();
	return code;
}

static void
group_name(const struct worker *worker, struct work *work)
{
	const char *own = worker->group ? worker->group(work->pipeline) : NULL;

	if (own)
		(void)snprintf(work->group, sizeof work->group, "%s", own);
	else
		(void)snprintf(work->group, sizeof work->group, "%s.%s", work->pipeline->name,
		    work->worker);
	(void)snprintf(work->member, sizeof work->member, "%s-%d", work->group, work->slot);
}

/* What is asked of the file, and what lives by it. */
static int
use_pipeline(const struct worker *worker, const struct settings *settings, struct work *work)
{
	const struct pipeline *pipeline = work->pipeline;
	struct err err = { 0 };

	if (settings->print_config)
		return print_config(pipeline);
	if (!worker->listen(pipeline)) {
		err_set(
		    &err, FATE_HALT, "%s has no part named %s", pipeline->file, worker->name);
		return refuse(worker, &err);
	}
	if (worker->choose && worker->choose(work, settings->destination, &err) != FATE_DONE)
		return refuse(worker, &err);
	group_name(worker, work);
	return live(worker, settings, work);
}

int
worker_main(const struct worker *worker, int argc, char **argv)
{
	struct settings settings = { .log_level = "info" };
	struct work work = { .worker = worker->name };
	struct pipeline *pipeline = NULL;
	enum option_verdict verdict;
	enum log_level level;
	struct err err = { 0 };
	int code;

	if (settings_read(worker, argc, argv, &settings, &verdict, &err) != FATE_DONE)
		return refuse(worker, &err);
	if (verdict == OPTIONS_EXIT_OK)
		return EXIT_ASKED;
	if (!log_level_parse(settings.log_level, &level)) {
		err_set(&err, FATE_HALT, "--log-level %s: it takes debug, info, warn or error",
		    settings.log_level);
		return refuse(worker, &err);
	}
	log_init(worker->prog, level);
	if (pipeline_read(settings.pipeline, &pipeline, &err) != FATE_DONE)
		return refuse(worker, &err);
	work.pipeline = pipeline;
	work.slot = (int)settings.slot;
	work.check_only = settings.check;
	work.drain = settings.drain;
	code = use_pipeline(worker, &settings, &work);
	pipeline_free(pipeline);
	return code;
}
