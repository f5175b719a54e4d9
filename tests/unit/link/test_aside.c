/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "link/aside.h"

struct job {
	atomic_int go, worked, dropped;
	pthread_t worker;
	int done;
};

static void
work(void *arg)
{
	struct job *job = arg;

	while (!atomic_load(&job->go))
		clock_sleep_ms(1);
	job->worker = pthread_self();
	atomic_store(&job->worked, 1);
}

static void
done(void *ctx, void *arg)
{
	struct job *job = arg;

	assert_ptr_equal(ctx, job);
	assert_int_equal(atomic_load(&job->worked), 1);
	assert_false(pthread_equal(job->worker, pthread_self()));
	job->done++;
}

static void
drop(void *arg)
{
	struct job *job = arg;

	atomic_fetch_add(&job->dropped, 1);
}

static struct aside *
start(struct loop *loop, struct job *job)
{
	struct aside_job a = {
		.work = work, .done = done, .drop = drop, .job = job, .ctx = job
	};
	struct aside *aside;
	struct err err;

	assert_int_equal(aside_start(loop, &a, &aside, &err), FATE_DONE);
	return aside;
}

static void
wait_for(atomic_int *flag)
{
	for (int i = 0; i < 20000 && !atomic_load(flag); i++)
		clock_sleep_ms(1);
	assert_int_equal(atomic_load(flag), 1);
}

static void
test_done(void **state)
{
	struct loop *loop;
	struct job job = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(loop_new(&loop, &err), FATE_DONE);
	(void)start(loop, &job);
	loop_run(loop, 20);
	assert_int_equal(job.done, 0);
	atomic_store(&job.go, 1);
	for (int i = 0; i < 1000 && !job.done; i++)
		loop_run(loop, 20);
	assert_int_equal(job.done, 1);
	assert_int_equal(atomic_load(&job.dropped), 0);
	loop_free(loop);
}

/* Before its end the thread drops the job, after it the one who forgets. */
static void
test_forgotten(void **state)
{
	struct job early = { 0 }, late = { 0 };
	struct aside *aside;
	struct loop *loop;
	struct err err;

	(void)state;
	assert_int_equal(loop_new(&loop, &err), FATE_DONE);
	aside_forget(NULL);
	aside_forget(start(loop, &early));
	aside = start(loop, &late);
	atomic_store(&late.go, 1);
	wait_for(&late.worked);
	clock_sleep_ms(20);
	aside_forget(aside);
	wait_for(&late.dropped);
	loop_run(loop, 0);
	loop_free(loop);
	assert_int_equal(atomic_load(&early.dropped), 0);
	atomic_store(&early.go, 1); /* the loop is gone by then */
	wait_for(&early.dropped);
	assert_int_equal(early.done + late.done, 0);
	clock_sleep_ms(20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_done),
		cmocka_unit_test(test_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
