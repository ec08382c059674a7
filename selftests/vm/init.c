// SPDX-License-Identifier: GPL-2.0
/*
 * The first process of the test machine: owns the order in which the plan's
 * lines are carried out and what is reported on the second serial port.
 *
 * /plan holds one command per line:
 *
 *	nonce WORD			begins every report of this boot
 *	insmod PATH [PARAMETERS]
 *	run SECONDS NAME [VAR=VALUE]... PATH [ARGUMENT]...
 *	hold PATH			keep a file open until power-off
 *	rmmod NAME
 *	scan				for memory that leaked, if the kernel can
 *
 * A report is a line "@NONCE WORD ..."; all other lines are output of programs.
 * The last report is "done". What the reports mean is decided on the host.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define REPORT_PORT "/dev/ttyS1"
/* How long processes and references of an ended test may take to go away. */
#define SETTLE_SEC 5
#define MAX_WORDS 32
#define KMEMLEAK "/sys/kernel/debug/kmemleak"
/* Younger objects are none of kmemleak's business; it wants 5. */
#define LEAK_AGE_SEC 6

static int port = -1;
static const char *nonce = "-";

static void __attribute__((format(printf, 1, 2))) report(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	dprintf(port, "\n@%s ", nonce);
	vdprintf(port, fmt, args);
	dprintf(port, "\n");
	va_end(args);
}

static void __attribute__((noreturn)) power_off(void)
{
	report("done");
	tcdrain(port);
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

static double now_sec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 10 * 1000 * 1000 }, NULL);
}

/* The number after a word at the start of a line of a file, or -1. */
static long number_in(const char *path, const char *word)
{
	char line[256];
	long value = -1;
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, word, strlen(word))) {
			value = strtol(line + strlen(word), NULL, 10);
			break;
		}
	}
	if (f)
		fclose(f);
	return value;
}

/* Write to a knob, unless this kernel has none of that name: 0 or -1. */
static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -1;
	len = write(fd, text, strlen(text));
	if (len < 0)
		report("note cannot write %s: %s", path, strerror(errno));
	close(fd);
	return len < 0 ? -1 : 0;
}

static void mount_all(void)
{
	static const struct {
		const char *type, *where, *options;
	} table[] = {
		{ "proc", "/proc", "" },
		{ "sysfs", "/sys", "" },
		{ "devtmpfs", "/dev", "" },
		{ "devpts", "/dev/pts", "" },
		{ "tmpfs", "/dev/shm", "" },
		{ "tmpfs", "/tmp", "" },
		{ "cgroup2", "/sys/fs/cgroup", "" },
		{ "debugfs", "/sys/kernel/debug", "" },
		{ "tracefs", "/sys/kernel/tracing", "" },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		mkdir(table[i].where, 0755);
		mount(table[i].type, table[i].where, table[i].type, 0,
		      table[i].options);
	}
	chmod("/tmp", 01777);
	chmod("/dev/shm", 01777);
}

static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr))
		report("note no loopback: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

/*
 * A test only has to write to /proc/self/fail-nth: allocations that may sleep
 * fail like others, single pages too, and the log stays clean.
 */
static void prepare_faults(void)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc",
					     "fail_usercopy", "fail_function" };
	char path[64];
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/verbose",
			 kinds[i]);
		write_file(path, "0");
		snprintf(path, sizeof(path),
			 "/sys/kernel/debug/%s/ignore-gfp-wait", kinds[i]);
		write_file(path, "N");
	}
	write_file("/sys/kernel/debug/fail_page_alloc/min-order", "0");
}

static void set_up(void)
{
	const struct rlimit files = { 1024, 524288 };
	struct termios tio;
	sigset_t child;

	mount_all();
	port = open(REPORT_PORT, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (port < 0)
		return;
	tcgetattr(port, &tio);
	cfmakeraw(&tio);
	tcsetattr(port, TCSANOW, &tio);
	setrlimit(RLIMIT_NOFILE, &files);
	write_file("/proc/sys/kernel/panic_on_oops", "1");
	write_file("/proc/sys/kernel/hung_task_timeout_secs", "60");
	loopback_up();
	prepare_faults();
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1);
	setenv("HOME", "/tmp", 1);
}

static void insmod(char **words)
{
	char params[1024] = "";
	int fd = open(words[0], O_RDONLY | O_CLOEXEC);
	char **word;

	for (word = words + 1; *word; word++) {
		strncat(params, *word, sizeof(params) - strlen(params) - 2);
		strcat(params, " ");
	}
	if (fd < 0 || syscall(SYS_finit_module, fd, params, 0))
		report("insmod %s", strerror(errno));
	else
		report("insmod ok");
	if (fd >= 0)
		close(fd);
}

static void __attribute__((noreturn)) child_exec(char **words)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	setsid();
	dup2(null, 0);
	dup2(port, 1);
	dup2(port, 2);
	if (null > 2)
		close(null);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	while (*words && strchr(*words, '='))
		putenv(*words++);
	if (*words && !chdir("/tmp"))
		execv(*words, words);
	dprintf(2, "# cannot run %s: %s\n", *words ? *words : "nothing",
		strerror(errno));
	_exit(127);
}

/*
 * Reaps children until @pid ended or, with pid 0, until none is left. False if
 * it was not so at the deadline.
 */
static bool reap(pid_t pid, double deadline, int *status)
{
	int st;
	pid_t got;

	for (;;) {
		got = waitpid(-1, &st, WNOHANG);
		if (got < 0)
			return true; /* no child is left */
		if (got > 0 && got == pid) {
			*status = st;
			return true;
		}
		if (!got && now_sec() > deadline)
			return false;
		if (!got)
			nap();
	}
}

/* Whatever a test started becomes ours when its parent dies: none may be left. */
static void expect_alone(const char *name)
{
	int status;

	if (reap(0, now_sec() + SETTLE_SEC, &status))
		return;
	report("left %s processes", name);
	kill(-1, SIGKILL);
	if (reap(0, now_sec() + 2 * SETTLE_SEC, &status))
		return;
	report("stuck %s", name);
	power_off();
}

static void expect_unpinned(const char *name)
{
	double deadline = now_sec() + SETTLE_SEC;

	while (number_in("/sys/module/coro/refcnt", "") > 0) {
		if (now_sec() > deadline) {
			report("left %s module-references", name);
			return;
		}
		nap();
	}
}

static void run(char **words)
{
	double limit, start = now_sec();
	const char *name;
	int status = 0;
	bool ended;
	pid_t pid;

	limit = strtod(words[0], NULL);
	name = words[1];
	report("start %s", name);
	pid = fork();
	if (!pid)
		child_exec(words + 2);
	ended = reap(pid, start + limit, &status);
	if (!ended) {
		kill(-1, SIGKILL);
		reap(pid, now_sec() + SETTLE_SEC, &status);
	}
	expect_alone(name);
	expect_unpinned(name);
	report("end %s %s %d %.1f", name,
	       !ended		   ? "timeout" :
	       WIFSIGNALED(status) ? "signal" :
				     "exit",
	       !ended		   ? 0 :
	       WIFSIGNALED(status) ? WTERMSIG(status) :
				     WEXITSTATUS(status),
	       now_sec() - start);
}

static void rmmod(const char *name)
{
	bool gone = !syscall(SYS_delete_module, name, O_NONBLOCK);

	report("rmmod %s", gone ? "ok" : strerror(errno));
	if (gone && number_in("/proc/slabinfo", name) >= 0)
		report("left %s slab-caches", name);
	if (gone && !access("/dev/coro", F_OK))
		report("left %s device-node", name);
}

/*
 * What nothing refers to any more: the second look tells, as what changed since
 * the first is in use.
 */
static void scan(void)
{
	char line[256];
	long leaks = 0;
	FILE *f;

	sleep(LEAK_AGE_SEC);
	report("scan");
	if (write_file(KMEMLEAK, "scan") || write_file(KMEMLEAK, "scan"))
		return;
	f = fopen(KMEMLEAK, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		leaks += !strncmp(line, "unreferenced", strlen("unreferenced"));
		dprintf(port, "%s", line);
	}
	fclose(f);
	report("leaks %ld", leaks);
}

static void carry_out(char *line)
{
	char *words[MAX_WORDS + 1];
	size_t nr = 0;
	char *save;
	char *word;

	for (word = strtok_r(line, " \n", &save); word && nr < MAX_WORDS;
	     word = strtok_r(NULL, " \n", &save))
		words[nr++] = word;
	words[nr] = NULL;
	if (nr == 2 && !strcmp(words[0], "nonce"))
		nonce = strdup(words[1]);
	else if (nr >= 2 && !strcmp(words[0], "insmod"))
		insmod(words + 1);
	else if (nr >= 4 && !strcmp(words[0], "run"))
		run(words + 1);
	else if (nr == 2 && !strcmp(words[0], "hold"))
		open(words[1], O_RDWR | O_CLOEXEC);
	else if (nr == 2 && !strcmp(words[0], "rmmod"))
		rmmod(words[1]);
	else if (nr == 1 && !strcmp(words[0], "scan"))
		scan();
	else
		report("note cannot read the plan at %s", nr ? words[0] : "");
}

/* Files of the tests would count as shared memory. */
static long shmem_kib(void)
{
	umount2("/tmp", MNT_DETACH);
	umount2("/dev/shm", MNT_DETACH);
	mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777");
	mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777");
	return number_in("/proc/meminfo", "Shmem:");
}

int main(void)
{
	char line[4096];
	FILE *plan;
	long shmem;

	set_up();
	plan = fopen("/plan", "re");
	if (!plan)
		power_off();
	if (fgets(line, sizeof(line), plan))
		carry_out(line);
	report("init");
	shmem = shmem_kib();
	while (fgets(line, sizeof(line), plan))
		carry_out(line);
	report("shmem %ld %ld", shmem, shmem_kib());
	report("tainted %ld", number_in("/proc/sys/kernel/tainted", ""));
	power_off();
}
