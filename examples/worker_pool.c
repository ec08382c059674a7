// SPDX-License-Identifier: MIT
/* A pool of processes: requests and answers are messages, and a death is told, too. */
#define _GNU_SOURCE
#include <coro.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "handle_pass.h"

enum { WORKERS = 4, REQUESTS = 1000, AT_ONCE = 32, STOP = REQUESTS };

static struct worker {
	pid_t pid;
	int sock;
	struct coro *boss; /* the coroutine here that looks after it */
	struct coro_handle *handle; /* the coroutine there */
	int end; /* what its join said */
	int answers[REQUESTS]; /* how many came for each */
} workers[WORKERS];

static uint64_t answer_to(uint64_t request)
{
	return request << 32 | request * request;
}

/* In a child: answers requests until it is told to stop. */
static long work(void *arg)
{
	struct worker *w = arg;
	uint64_t request;
	int err = swap_handles(w->sock, &w->handle);

	while (!err && !(err = coro_recv(&request, CORO_NEVER)) &&
	       request != STOP)
		err = coro_handle_send(w->handle, answer_to(request),
				       CORO_NEVER);
	return err;
}

/* Tells the boss, wherever it waits. */
static long watch(void *arg)
{
	struct worker *w = arg;
	struct coro_handle *h = coro_handle_get(w->handle);
	int err = w->end = coro_handle_join(h, NULL, CORO_NEVER);

	coro_handle_put(h);
	if (err)
		coro_cancel(w->boss);
	return err;
}

static int take_answer(struct worker *w, int64_t deadline_ns, int *got)
{
	uint64_t answer;
	int err = coro_recv(&answer, deadline_ns);

	if (err)
		return err;
	/* A wrong one counts twice. */
	w->answers[answer >> 32] += 1 + (answer != answer_to(answer >> 32));
	++*got;
	return 0;
}

/* The first worker is killed half-way: what it has not answered it never will. */
static long supervise(void *arg)
{
	struct worker *w = arg;
	struct coro *watcher = coro_new(watch, w);
	int asked = 0, got = 0, err;

	w->boss = coro_self();
	err = watcher ? swap_handles(w->sock, &w->handle) : -ENOMEM;
	if (err) {
		coro_put(watcher);
		return err;
	}
	coro_start(watcher);
	while (!err && got < REQUESTS) {
		if (asked < REQUESTS && asked < got + AT_ONCE)
			err = coro_handle_send(w->handle, (uint64_t)asked++,
					       CORO_NEVER);
		else
			err = take_answer(w, CORO_NEVER, &got);
		if (w == workers && got == REQUESTS / 2)
			kill(w->pid, SIGKILL);
	}
	if (!err)
		coro_handle_send(w->handle, STOP, CORO_NEVER);
	if (coro_await_value(watcher, NULL) == -ECANCELED)
		coro_await(watcher); /* that was the watcher itself */
	/* What was answered before the death is here. */
	while (!take_answer(w, 0, &got))
		;
	coro_handle_put(w->handle);
	return 0;
}

/* Every request has one answer, or its worker is dead. */
static int report(void)
{
	int answered = 0, lost = 0;

	for (struct worker *w = workers; w < workers + WORKERS; w++) {
		for (int *nr = w->answers; nr < w->answers + REQUESTS; nr++) {
			answered += *nr == 1;
			lost += !*nr && w->end == -EOWNERDEAD;
		}
	}
	printf("%d answered, %d lost with their worker\n", answered, lost);
	return !lost || answered + lost != WORKERS * REQUESTS;
}

static long manage(void *arg)
{
	struct coro *bosses[WORKERS];
	long err = 0;

	(void)arg;
	for (int i = 0; i < WORKERS; i++)
		coro_start(bosses[i] = coro_new(supervise, &workers[i]));
	for (int i = 0; i < WORKERS && !err; i++)
		err = coro_await(bosses[i]);
	return err ? err : report();
}

/* A fork belongs before the first coroutine. */
int main(void)
{
	int socks[2];
	long ret;

	for (struct worker *w = workers; w < workers + WORKERS; w++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks))
			return 1;
		w->pid = fork();
		if (w->pid < 0)
			return 1;
		w->sock = socks[!w->pid];
		close(socks[!!w->pid]);
		if (!w->pid)
			return prctl(PR_SET_PDEATHSIG, SIGKILL) ||
			       coro_run(work, w) < 0;
	}
	ret = coro_run(manage, NULL);
	if (ret < 0)
		fprintf(stderr, "worker_pool: %s; it needs /dev/coro\n",
			strerror((int)-ret));
	return ret != 0;
}
