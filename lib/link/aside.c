/* SPDX-License-Identifier: Apache-2.0 */
#include "link/aside.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/must.h"

enum { RUNNING, FINISHED, FORGOTTEN };

struct aside {
	struct aside_job job;
	struct loop *loop;
	struct loop_watch watch; /* of an eventfd that the thread writes when it is done */
	atomic_int state;
	atomic_int owners; /* the thread and the loop; the last one frees */
};

/* Threads at work, forgotten or not. */
static atomic_int threads;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Otherwise exit() takes OpenSSL and Kerberos down under a thread that nobody waits for. */
static void
leave_them(int status, void *arg)
{
	(void)arg;
	if (atomic_load(&threads) == 0)
		return;
	(void)fflush(NULL);
	_exit(status);
}

/* What is registered last is called first: OpenSSL's own end must be there before. */
static void
mind_the_exit(void)
{
	must(OPENSSL_init_ssl(0, NULL) == 1);
	must(on_exit(leave_them, NULL) == 0);
}

static void
let_go(struct aside *a)
{
	if (atomic_fetch_sub(&a->owners, 1) > 1)
		return;
	(void)close(a->watch.fd);
	free(a);
}

static void *
run(void *arg)
{
	struct aside *a = arg;
	uint64_t one = 1;
	int running = RUNNING;

	a->job.work(a->job.job);
	if (atomic_compare_exchange_strong(&a->state, &running, FINISHED))
		(void)!write(a->watch.fd, &one, sizeof one);
	else
		a->job.drop(a->job.job);
	let_go(a);
	OPENSSL_thread_stop();
	(void)atomic_fetch_sub(&threads, 1);
	return NULL;
}

static void
finished(void *ctx, unsigned events)
{
	struct aside *a = ctx;
	struct aside_job job = a->job;

	(void)events;
	loop_unwatch(a->loop, &a->watch);
	let_go(a);
	job.done(job.ctx, job.job);
}

/* Signals are the main thread's. */
static int
start_thread(struct aside *a)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int e;

	(void)sigfillset(&all);
	must(pthread_attr_init(&attributes) == 0);
	must(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0);
	must(pthread_attr_setstacksize(&attributes, 1 << 20) == 0);
	must(pthread_once(&once, mind_the_exit) == 0);
	(void)atomic_fetch_add(&threads, 1);
	must(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	e = pthread_create(&thread, &attributes, run, a);
	must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	(void)pthread_attr_destroy(&attributes);
	if (e != 0)
		(void)atomic_fetch_sub(&threads, 1);
	return e;
}

enum fate
aside_start(
    struct loop *loop, const struct aside_job *job, struct aside **ret_aside, struct err *err)
{
	struct aside *a = calloc(1, sizeof *a);
	enum fate fate;
	int e;

	must(a);
	a->job = *job;
	a->loop = loop;
	a->watch = (struct loop_watch){
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = finished, .ctx = a
	};
	atomic_init(&a->state, RUNNING);
	atomic_init(&a->owners, 2);
	if (a->watch.fd < 0) {
		fate = err_code(err, FATE_RETRY, "53000", "a thread: %s", strerror(errno));
		free(a);
		return fate;
	}
	fate = loop_watch(loop, &a->watch, LOOP_READ, err);
	if (fate == FATE_DONE && (e = start_thread(a)) != 0) {
		loop_unwatch(loop, &a->watch);
		fate = err_code(err, FATE_RETRY, "53000", "a thread: %s", strerror(e));
	}
	if (fate != FATE_DONE) {
		(void)close(a->watch.fd);
		free(a);
		return FATE_RETRY;
	}
	*ret_aside = a;
	return FATE_DONE;
}

void
aside_forget(struct aside *aside)
{
	int running = RUNNING;

	if (aside == NULL)
		return;
	loop_unwatch(aside->loop, &aside->watch);
	if (!atomic_compare_exchange_strong(&aside->state, &running, FORGOTTEN))
		aside->job.drop(aside->job.job);
	let_go(aside);
}
