/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "demo/generate.h"
#include "work/worker.h"

enum { PROGRESS_EVERY_MS = 200, SLEEP_MAX_MS = 100, GIVE_UP_MS = 60000 };

struct settings {
	const char *pipeline, *model, *user, *password;
	double rate, update_share, delete_share;
	int64_t every_ms, count, contents, seed;
};

static volatile sig_atomic_t stopping;

static void
on_stop(int signal_number)
{
	(void)signal_number;
	stopping = 1;
}

static enum fate
settings_read(int argc, char **argv, struct settings *ret, enum option_verdict *ret_verdict,
    struct err *err)
{
	const struct option_row rows[] = {
		{ "pipeline", OPTION_TEXT, &ret->pipeline, "FILE",
		    "The pipeline file: says where Postgres is (required).", 0, 0 },
		{ "model", OPTION_TEXT, &ret->model, "NAME",
		    "Which tables are written: engagement (default) or orders.", 0, 0 },
		{ "rate", OPTION_RATE, &ret->rate, "N/s",
		    "Changes a second; 0: as fast as it goes (default 10/s).", 0, 0 },
		{ "every", OPTION_DURATION, &ret->every_ms, "TIME",
		    "One change in this time; in place of --rate.", 1, 86400000 },
		{ "count", OPTION_INT, &ret->count, "N",
		    "Stop after so many changes; 0: never (default 0).", 0, INT64_C(1) << 40 },
		{ "update-share", OPTION_REAL, &ret->update_share, "SHARE",
		    "Updates among the changes, 0 to 1 (default 0.2).", 0, 1 },
		{ "delete-share", OPTION_REAL, &ret->delete_share, "SHARE",
		    "Deletes among the changes, 0 to 1 (default 0.05).", 0, 1 },
		{ "contents", OPTION_INT, &ret->contents, "N",
		    "Contents to seed first, the same for a seed (default 200).", 0, 10000000 },
		{ "seed", OPTION_INT, &ret->seed, "N",
		    "Repeats the choices of an earlier run (default: at random).", 0,
		    INT32_MAX },
		{ "user", OPTION_TEXT, &ret->user, "NAME",
		    "Who writes; needs rights that the workers' role lacks (default postgres).",
		    0, 0 },
		{ "password", OPTION_TEXT, &ret->password, "TEXT",
		    "Of that user (default: PGPASSWORD).", 0, 0 },
	};
	const struct option_table table = { "sluice-generate",
		"Writes a pipeline's Postgres tables as an application would.", "", 0, 0, rows,
		sizeof rows / sizeof *rows };
	enum fate fate = options_parse(&table, argc, argv, ret_verdict, err);

	if (fate != FATE_DONE || *ret_verdict == OPTIONS_EXIT_OK)
		return fate;
	if (!ret->pipeline)
		return err_set(
		    err, FATE_HALT, "--pipeline FILE is missing: see sluice-generate --help");
	if (ret->update_share + ret->delete_share > 1)
		return err_set(err, FATE_HALT,
		    "--update-share and --delete-share are more than 1 together");
	if (ret->every_ms)
		ret->rate = 1000.0 / (double)ret->every_ms;
	return FATE_DONE;
}

static enum fate
connection_new(const struct settings *s, const struct pipeline *pipeline, struct pg **ret_pg,
    struct err *err)
{
	char port[24];
	const struct pg_options options = { .host = pipeline->postgres.host,
		.port = port,
		.dbname = pipeline->postgres.database,
		.user = s->user,
		.password = s->password,
		.application_name = "sluice-generate",
		.search_path = "public" };

	(void)snprintf(port, sizeof port, "%" PRId64, pipeline->postgres.port);
	return pg_new(&options, ret_pg, err);
}

static int64_t
total(const struct generate *generate)
{
	const struct generate_counts *c = generate_counts(generate);

	return c->inserts + c->updates + c->deletes;
}

static void
nap(int64_t until_us)
{
	int64_t left_us;

	while (!stopping && (left_us = until_us - clock_mono_us()) > 0)
		clock_sleep_ms(
		    left_us > SLEEP_MAX_MS * 1000 ? SLEEP_MAX_MS : left_us / 1000 + 1);
}

static void
progress(const struct generate *generate, int64_t started_us, bool last)
{
	static int64_t next_ms;
	double seconds = (double)(clock_mono_us() - started_us) / 1e6;
	int64_t now_ms = clock_mono_ms();

	if (!isatty(STDERR_FILENO) || (!last && now_ms < next_ms))
		return;
	next_ms = now_ms + PROGRESS_EVERY_MS;
	(void)fprintf(stderr, "\r%" PRId64 " changes  %.0f/s   %s", total(generate),
	    seconds > 0 ? (double)total(generate) / seconds : 0, last ? "\n" : "");
}

/* As many as are due by now at the rate, at least one, at most what is left. */
static size_t
next_size(struct generate *generate, const struct settings *s, int64_t due)
{
	int64_t size = (int64_t)generate_size(generate);
	int64_t left = s->count ? s->count - total(generate) : INT64_MAX;

	if (s->rate > 0 && size > due)
		size = due > 1 ? due : 1;
	return (size_t)(size < left ? size : left);
}

/* Waits out a lost connection; HALT when it stays away too long. */
static enum fate
recover(struct pause *pause, int64_t *lost_ms, struct err *err)
{
	if (*lost_ms == 0)
		*lost_ms = clock_mono_ms();
	if (clock_mono_ms() - *lost_ms > GIVE_UP_MS)
		return err_wrap(err, "gave up after %d s", GIVE_UP_MS / 1000);
	log_event(LOG_WARN, "retry", "why=%s", log_quote(err->what));
	nap(clock_mono_us() + pause_next_ms(pause) * 1000);
	return FATE_DONE;
}

static enum fate
prepare(struct generate *generate, struct err *err)
{
	struct pause pause = { 0 };
	int64_t lost_ms = 0;
	enum fate fate = FATE_RETRY;

	while (!stopping && (fate = generate_prepare(generate, err)) == FATE_RETRY)
		if (recover(&pause, &lost_ms, err) != FATE_DONE)
			return err->fate;
	return fate == FATE_RETRY ? FATE_DONE : fate;
}

static enum fate
write_changes(
    struct generate *generate, const struct settings *s, int64_t started_us, struct err *err)
{
	struct pause pause = { 0 };
	int64_t lost_ms = 0;

	while (!stopping && (s->count == 0 || total(generate) < s->count)) {
		double elapsed = (double)(clock_mono_us() - started_us) / 1e6;
		int64_t due = (int64_t)(elapsed * s->rate) + 1 - total(generate);
		enum fate fate;

		if (s->rate > 0 && due < 1) {
			nap(started_us + (int64_t)((double)total(generate) / s->rate * 1e6));
			continue;
		}
		fate = generate_transaction(generate, next_size(generate, s, due),
		    clock_wall_ms() * 1000 + clock_mono_us() % 1000, err);
		if (fate == FATE_RETRY) {
			fate = recover(&pause, &lost_ms, err);
		} else {
			lost_ms = 0;
			pause.attempt = 0;
		}
		if (fate != FATE_DONE)
			return fate;
		progress(generate, started_us, false);
	}
	return FATE_DONE;
}

static int
run(const struct settings *s, const struct generate_model *model, struct pg *pg)
{
	const struct generate_options options = { .model = model,
		.seed = (uint64_t)s->seed,
		.contents = (size_t)s->contents,
		.update_share = s->update_share,
		.delete_share = s->delete_share };
	struct generate *generate = generate_new(&options, pg);
	const struct generate_counts *c = generate_counts(generate);
	struct err err = { 0 };
	enum fate fate = prepare(generate, &err);
	int64_t started_us = clock_mono_us();
	double seconds;

	if (fate == FATE_DONE)
		fate = write_changes(generate, s, started_us, &err);
	seconds = (double)(clock_mono_us() - started_us) / 1e6;
	progress(generate, started_us, true);
	log_event(fate == FATE_DONE ? LOG_INFO : LOG_ERROR, "done",
	    "changes=%" PRId64 " inserts=%" PRId64 " updates=%" PRId64 " deletes=%" PRId64
	    " transactions=%" PRId64 " contents=%" PRId64
	    " seconds=%.3f rate=%.0f seed=%" PRId64 " why=%s",
	    total(generate), c->inserts, c->updates, c->deletes, c->transactions, s->contents,
	    seconds, seconds > 0 ? (double)total(generate) / seconds : 0, s->seed,
	    log_quote(fate != FATE_DONE ? err.what
		      : stopping        ? "asked"
					: "count"));
	generate_free(generate);
	return fate == FATE_DONE ? EXIT_ASKED : fate == FATE_RETRY ? EXIT_RESTART : EXIT_STOP;
}

static void
signals_install(void)
{
	struct sigaction stop = { .sa_handler = on_stop };

	(void)sigaction(SIGTERM, &stop, NULL);
	(void)sigaction(SIGINT, &stop, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

static int
refuse(const struct err *err)
{
	(void)fprintf(stderr, "sluice-generate: %s\n", err->what);
	return EXIT_CONFIG;
}

int
generate_main(int argc, char **argv)
{
	struct settings s = { .model = "engagement",
		.user = "postgres",
		.rate = 10,
		.update_share = 0.2,
		.delete_share = 0.05,
		.contents = 200,
		.seed = -1 };
	const struct generate_model *model;
	struct pipeline *pipeline = NULL;
	enum option_verdict verdict;
	struct pg *pg = NULL;
	struct err err = { 0 };
	int code = EXIT_CONFIG;

	if (settings_read(argc, argv, &s, &verdict, &err) != FATE_DONE)
		return refuse(&err);
	if (verdict == OPTIONS_EXIT_OK)
		return EXIT_ASKED;
	log_init("sluice-generate", LOG_INFO);
	signals_install();
	if (s.seed < 0 && getrandom(&s.seed, sizeof s.seed, 0) == (ssize_t)sizeof s.seed)
		s.seed &= INT32_MAX;
	model = generate_model_find(s.model);
	if (!model)
		err_set(
		    &err, FATE_HALT, "--model %s: there are engagement and orders", s.model);
	else if (pipeline_read(s.pipeline, &pipeline, &err) == FATE_DONE &&
		 connection_new(&s, pipeline, &pg, &err) == FATE_DONE)
		code = run(&s, model, pg);
	if (!pg)
		code = refuse(&err);
	pg_free(pg);
	pipeline_free(pipeline);
	return code;
}
