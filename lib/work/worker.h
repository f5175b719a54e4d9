/* SPDX-License-Identifier: Apache-2.0 */
/* worker.h -- the life of every worker process, written once.
 *
 * worker_main() reads options and the pipeline file, answers --check and
 * --print-config, tells systemd that it is ready, serves /metrics, /livez and
 * /readyz, and runs the worker's one loop until SIGTERM (finish and commit the
 * batch), a second SIGTERM (drop it) or a HALT. SIGHUP reads secrets and certificates
 * again. Exit codes: 0 asked, 2 bad configuration, 3 restart me, 4 do not restart me. */
#ifndef WORK_WORKER_H
#define WORK_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "work/pipeline.h"

enum exit_code { EXIT_ASKED = 0, EXIT_CONFIG = 2, EXIT_RESTART = 3, EXIT_STOP = 4 };
enum { SLOT_MAX = 31 };

/* err.code of a HALT that a restart may mend. */
#define CODE_RESTART "RESTART"
/* err.code of a HALT in the configuration, found before the first record. */
#define CODE_CONFIG "CONFIG"

struct work {
	const struct pipeline *pipeline;
	const char *worker; /* "enrich" */
	int slot;
	const struct pipeline_http *destination; /* of worker http */
	char group[160];                         /* engagement.enrich */
	char member[200]; /* group-slot: group.instance.id and transactional.id */
	bool check_only;
	bool drain; /* of worker http: open deliveries may go out in another form */
};

struct worker {
	const char *name;    /* "enrich" */
	const char *prog;    /* "sluice-enrich" */
	const char *summary; /* for --help */

	/* This worker's listen address in the file; NULL: the file lacks its part. */
	const char *(*listen)(const struct pipeline *pipeline);

	/* This worker's consumer group in the file; NULL (either): PIPELINE.WORKER. */
	const char *(*group)(const struct pipeline *pipeline);

	/* Picks one of several destinations by --destination (NULL: not given): sets
	 * work->destination and, when it has a group of its own, work->worker. HALT: there is
	 * none of that name, or one must be named. NULL: the worker has no such option, nor
	 * --drain. */
	enum fate (*choose)(struct work *work, const char *destination, struct err *err);

	/* Checks all that needs a live server; called for --check only, run() checks
	 * for itself. DONE, RETRY (cannot be reached: said, exit 3) or HALT (exit 2). */
	enum fate (*check)(struct work *work, struct err *err);

	/* Runs until work_stopping(). DONE or HALT. */
	enum fate (*run)(struct work *work, struct err *err);
};

/* Returns the process exit code. */
int worker_main(const struct worker *worker, int argc, char **argv);

/* --- for the loops --- */

/* What every Kafka client of this worker shares: brokers, properties, the log, the
 * stop flag. Borrows from work. */
struct kafka_conf;
void work_kafka_conf(const struct work *work, struct kafka_conf *ret_conf);

bool work_stopping(void); /* SIGTERM or SIGINT came */
bool work_dropping(void); /* it came twice */

/* After a SIGHUP, once: the pipeline file as it is now, for its secrets and certificates
 * alone; the caller's to pipeline_free. NULL: no SIGHUP came, or the file cannot be read
 * (that is logged, and what was read before stays). */
struct pipeline *work_secrets(const struct work *work);
/* What became of it, for the log: NULL err: taken. RETRY: a second later work_secrets() reads
 * the file again, without another SIGHUP. */
void work_secrets_said(const struct err *err);

/* Call at least once a second from every loop and wait: feeds the watchdog. */
void work_beat(void);

/* What the worker does or waits for, in a few words; shown by systemctl status and
 * /readyz, and logged when it changes. ready: /readyz answers 200. */
void work_status(bool ready, const char *fmt, ...) PRINTF(2, 3);

/* Something that a person must look at while the worker goes on: logged at once, and shown
 * behind every later status until the worker's end. The last one of a kind is shown. */
enum work_alarm { ALARM_REFRESH, ALARM_GAP, ALARM_COUNT };
void work_alarm(enum work_alarm kind, const char *fmt, ...) PRINTF(2, 3);

/* Progress for /livez: something was acknowledged, and what is still to do. */
void work_progress(int64_t acknowledged, int64_t lag);

/* A growing pause with full jitter: sleeps, beats, returns early when stopping. */
struct pause {
	int64_t base_ms, max_ms; /* 0: 200 ms and 10 s */
	unsigned attempt;
};
int64_t pause_next_ms(struct pause *pause); /* how long to wait now; grows */
void pause_wait(struct pause *pause);
void pause_reset(struct pause *pause);

#endif
