# SPDX-License-Identifier: GPL-2.0
"""The verdict over one boot: what the programs said, and what the kernel said."""

import re

import ktap

# A kernel log with one of these is a failure, whatever the tests say.
KERNEL_COMPLAINTS = re.compile(
    r"WARNING: |\bBUG\b|Oops|KASAN|KCSAN|KFENCE|UBSAN|general protection fault[,:]"
    r"|Kernel panic|\bINFO: |possible (circular|recursive|irq|deadlock)"
    r"|suspicious RCU|self-detected stall|rcu.*stall|blocked for more than|soft lockup"
    r"|hard LOCKUP|refcount_t:|Call Trace|\bleak(s|ed)?\b|still has objects|Objects remaining|Bad page"
    r"|Bad rss-counter|unable to handle|list_(add|del) corruption|scheduling while atomic"
    r"|sleeping function called|ODEBUG|Slab corruption|unreferenced object|cut here"
)
# Lines of a sound boot that read like complaints.
SOUND = re.compile(r"RETBleed: WARNING: |kmemleak: Kernel memory leak detector initialized")
# A test that fills its own memory cgroup, test-<number>: up to the trace of calls.
OOM_OF_TEST = re.compile(
    r"^.* invoked oom-killer: .*\n(?:.*\n){0,4}.*Call Trace:\n"
    r"(?=(?:(?!.*invoked oom-killer).*\n){0,150}.*oom_memcg=/test-\d+,)",
    re.MULTILINE,
)
# Bits of /proc/sys/kernel/tainted that our module may set: out of tree, unsigned.
TAINT_ALLOWED = 1 << 12 | 1 << 13
SHMEM_SLACK_KIB = 2048


class Program:
    """One program's run: its cases, in the order of the plan."""

    def __init__(self, name, cases, seconds):
        self.name = name
        self.cases = cases
        self.seconds = seconds


def complaints(console):
    """Lines of the kernel log that fail a run."""
    return [
        line for line in OOM_OF_TEST.sub("", console).splitlines()
        if KERNEL_COMPLAINTS.search(line) and not SOUND.search(line)
    ]  # fmt: skip


def programs(port, nonce):
    """Programs that ended, from the second port's log."""
    found = []
    output, left = [], []
    for line in port.splitlines():
        if not line.startswith(f"@{nonce} "):
            output.append(line)
            continue
        words = line.split()[1:]
        if words[0] == "start":
            output, left = [], []
        elif words[0] == "left" and len(words) == 3:
            left.append(words[2])
        elif words[0] == "end" and len(words) == 5:
            cases = ktap.judge("\n".join(output), words[2], int(words[3]))
            cases += [ktap.Case("leaves no " + what, "fail") for what in left]
            found.append(Program(words[1], cases, float(words[4])))
    return found


def leaks(port, nonce):
    """The case that nothing leaked; what did is told between two reports of ours."""
    _, began, rest = port.partition(f"@{nonce} scan\n")
    found, ended, count = rest.partition(f"@{nonce} leaks ")
    holds = bool(began and ended) and count.split("\n")[0] == "0"
    return fact("no memory is leaked", holds, found.strip() or "the search did not end")


def machine_cases(boot, nonce, names, with_module, with_scan=False):
    """What must hold for the boot as a whole, one case each."""
    reports = [
        line.split(" ", 2)[1:] for line in boot.port.splitlines() if line.startswith(f"@{nonce} ")
    ]
    said = {report[0]: report[1] if len(report) > 1 else "" for report in reports}
    ended = [r[1].split()[0] for r in reports if r[0] == "end"]
    missing = [name for name in names if name not in ended]
    cases = [fact("machine gave a verdict", boot.end == "done", boot.end + "\n" + tail(boot))]
    cases.append(fact("every program ended", not missing, " ".join(missing)))
    found = complaints(boot.console)
    cases.append(fact("kernel log is clean", not found, "\n".join(found[:40])))
    if boot.end != "done":
        return cases
    taint = int(said.get("tainted", -1))
    cases.append(fact("kernel is not tainted", taint >= 0 and not taint & ~TAINT_ALLOWED, str(taint)))
    before, after = (int(word) for word in said.get("shmem", "0 999999999").split())
    text = f"KiB before, after: {before} {after}"
    cases.append(fact("shared memory was given back", after - before < SHMEM_SLACK_KIB, text))
    if with_scan:
        cases.append(leaks(boot.port, nonce))
    if with_module:
        cases.append(fact("module loads", said.get("insmod") == "ok", said.get("insmod", "")))
        left = [r[1] for r in reports if r[0] == "left" and r[1].startswith("coro ")]
        text = said.get("rmmod", "not tried") + " " + " ".join(left)
        cases.append(fact("module unloads", said.get("rmmod") == "ok" and not left, text))
    return cases


def fact(name, holds, text):
    return ktap.Case(name, "pass" if holds else "fail", "" if holds else text)


def tail(boot):
    lines = [line for line in boot.console.splitlines() + boot.port.splitlines() if line.strip()]
    return "\n".join(lines[-30:])
