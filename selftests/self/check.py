# SPDX-License-Identifier: GPL-2.0
"""Tests of the runner: each kind of misbehaviour must get the verdict in its name."""

import os

import ktap
import machine
import native
import verdict
from session import Job
from tally import Tally

# What programs print, how they end, and the cases that must come of it.
PARSED = (
    ("a plan that is kept passes", "1..1\nok 1 a\n", "exit", 0, ["a pass"]),
    ("a failed case fails", "1..1\nnot ok 1 a\n", "exit", 1, ["a fail"]),
    ("a missing case fails", "1..2\nok 1 a\n", "exit", 0, ["a pass", "plan fail"]),
    ("one case too many fails", "1..1\nok 1 a\nok 2 b\n", "exit", 0,
     ["a pass", "b pass", "plan fail"]),
    ("no plan fails", "hello\n", "exit", 0, ["plan fail"]),
    ("a plan of nothing fails", "1..0\n", "exit", 0, ["plan fail"]),
    ("nothing at all fails", "", "exit", 0, ["plan fail"]),
    ("an unexplained exit code fails", "1..1\nok 1 a\n", "exit", 3, ["a pass", "exit 3 fail"]),
    ("a signal fails", "1..1\nok 1 a\n", "signal", 11, ["a pass", "signal 11 fail"]),
    ("a time-out fails", "1..1\nok 1 a\n", "timeout", 0, ["a pass", "timeout fail"]),
    ("a skip is a skip", "1..1\nok 1 a # SKIP why\n", "exit", 0, ["a skip"]),
    ("a skip without a name has the last one", "1..1\n#  RUN   x.y ...\nok 1 # SKIP why\n",
     "exit", 0, ["x.y skip"]),
    ("an expected failure passes", "1..1\nnot ok 1 a # XFAIL why\n", "exit", 0, ["a pass"]),
    ("a skipped program is a skip", "1..0 # SKIP why\n", "exit", 4, ["all skip"]),
)  # fmt: skip

# Lines that kernels print when something is wrong.
COMPLAINTS = (
    "WARNING: CPU: 1 PID: 77 at module/sched.c:10 coro_sched_put+0x1/0x2 [coro]",
    "BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "Oops: 0000 [#1] PREEMPT SMP NOPTI",
    "BUG: KASAN: use-after-free in coro_sched_put+0x1/0x2 [coro]",
    "WARNING: possible circular locking dependency detected",
    "WARNING: suspicious RCU usage",
    "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
    "INFO: task coro:77 blocked for more than 60 seconds.",
    "refcount_t: underflow; use-after-free.",
    "BUG coro_sched (Tainted: G           O      ): Objects remaining in coro_sched",
    "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [coro:77]",
    "WARNING: possible recursive locking detected",
    "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:580",
    "UBSAN: shift-out-of-bounds in module/context.c:10:3",
    "ODEBUG: free active (active state 0) object type: timer_list hint: coro_x+0x0/0x1",
    "BUG: Bad page state in process coro  pfn:00077",
    "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
    "kmemleak: Kernel memory leak detector disabled",
    " Call Trace:",
)

# Lines of a sound run.
SOUND = (
    "coro: loading out-of-tree module taints kernel.",
    "RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable to RETBleed attacks, data",
    'PCI: Using host bridge windows from ACPI; if necessary, use "pci=nocrs" and report a bug',
    "kasan: KernelAddressSanitizer initialized",
    "kmemleak: Kernel memory leak detector initialized (mem pool available: 14733)",
    "arena_test[77]: segfault at 7f0000000000 ip 000000000040 sp 00007ffc error 6 in arena_test",
)


# What the first process says of a search for leaks, and whether that is a sound end.
SCANS = (
    ("no leak is sound", "@n scan\n\n@n leaks 0\n", True),
    ("a leak fails", "@n scan\nunreferenced object 0xffff (size 96):\n\n@n leaks 1\n", False),
    ("a search without an end fails", "@n scan\n", False),
    ("no search fails", "@n done\n", False),
    ("the word of a program is not that of the first process", "@m scan\n@m leaks 0\n", False),
)

OOM = "x invoked oom-killer: gfp_mask=0xcc0\nCPU: 1\nHardware\nCall Trace:\n <TASK>\n{}\nlast\n"
OOM_OF_TEST = OOM.format("oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/test-7,task=x")
OOM_OF_ALL = OOM.format("oom-kill:constraint=CONSTRAINT_NONE,task=x")


def expect(name, wanted, got):
    """One case of the runner's own: the verdict was the wanted one."""
    text = "" if wanted == got else f"wanted {wanted}\ngot    {got}"
    return ktap.Case(name, "fail" if text else "pass", text)


def outcomes(cases):
    return [f"{case.name} {case.outcome}" for case in cases]


def failures(cases):
    return sorted(case.name for case in cases if case.outcome != "pass")


def parsing():
    for name, output, end, code, wanted in PARSED:
        yield expect(name, wanted, outcomes(ktap.judge(output, end, code)))


def kernel_log():
    for line in COMPLAINTS:
        yield expect(f"fails a run: {line[:40]}", [line], verdict.complaints(f"fine\n{line}\n"))
    for line in (*SOUND, OOM_OF_TEST):
        yield expect(f"fails nothing: {line[:40]}", [], verdict.complaints(line))
    for log in (OOM_OF_ALL, OOM_OF_ALL + OOM_OF_TEST):
        yield expect("fails a run: memory ran out", ["Call Trace:"], verdict.complaints(log))
    warned = OOM_OF_TEST + "WARNING: x\n"
    yield expect("a warning after it fails", ["WARNING: x"], verdict.complaints(warned))


def leaking():
    for name, port, sound in SCANS:
        yield expect(name, sound, verdict.leaks(port, "n").outcome == "pass")
    log = "@n init\n@n done\n"
    boot = machine.Boot("", log, "done")
    cases = verdict.machine_cases(boot, "n", [], False, True)
    yield expect("a kernel that can search must", True, "no memory is leaked" in failures(cases))


def counting():
    """The tally: skips fail unless they are allowed, and nothing is no success."""
    with open(os.devnull, "w", encoding="utf-8") as null:
        skip = [ktap.Case("a", "skip", "why")]
        for name, rules, wanted in (
            ("a skip fails", [], (0, 1, 0)),
            ("an allowed skip is counted as one", [["vm-7\\.2", "x", "a"]], (0, 0, 1)),
            ("what is allowed elsewhere is not here", [["vm-7.2", "y", "a"]], (0, 1, 0)),
            ("what is allowed on a kernel is not on others", [["vm-7", "x", "a"]], (0, 1, 0)),
        ):
            tally = Tally(rules, null, quiet=True)
            tally.add("vm-7.2", "x", skip)
            yield expect(name, wanted, (tally.passed, len(tally.failures), tally.skipped))
            yield expect(name + ": no success", False, tally.finish())


# Programs of this folder, their time limit, and the failures they must give.
PROGRAMS = (
    ("pass", 30, []),
    ("fail", 30, ["global.one_is_two"]),
    ("skip", 30, ["global.is_skipped"]),
    ("hang", 2, ["plan", "timeout"]),
    ("leak", 30, ["leaves no processes"]),
)


def here(suite):
    for name, seconds, wanted in PROGRAMS:
        cases, _, _ = native.run([suite.test_path(f"self/{name}_test")], seconds)
        yield expect(name, wanted, failures(cases))


def in_machine(suite):
    """All programs in one boot, and a module that somebody holds."""
    session = suite.session("self")
    session.add_module()
    session.extra = ["hold /dev/coro"]
    for name, seconds, _ in (*PROGRAMS, ("warn", 30, [])):
        path = f"/tests/{name}_test"
        session.add_job(Job(name, [path], seconds), suite.test_path(f"self/{name}_test"))
    programs, cases = session.run()
    found = {program.name: failures(program.cases) for program in programs}
    for name, _, wanted in PROGRAMS:
        held = ["leaves no module-references"]
        yield expect(name, sorted(wanted + held), found.get(name))
    wanted = ["kernel log is clean", "module unloads"]
    yield expect("a warning and a held module", wanted, failures(cases))


def broken_machines(suite):
    """A machine without a verdict is a failure, however well it began."""
    session = suite.session("self-reset")
    session.add_job(Job("reset", ["/bin/reboot", "-f"], 30))
    _, cases = session.run()
    yield expect("a reset", ["every program ended", "machine gave a verdict"], failures(cases))

    session = suite.session("self-silent")
    session.silence = 5
    session.add_job(Job("silent", ["/bin/sleep", "1000"], 2000))
    _, cases = session.run()
    yield expect("silence", ["every program ended", "machine gave a verdict"], failures(cases))

    session = suite.session("self-no-init")
    session.tries = 2
    session.image.data("/init", "#!/bin/true\n", 0o755)
    _, cases = session.run()
    wanted = ["kernel log is clean", "machine gave a verdict"]
    yield expect("no init", wanted, failures(cases))
    yield expect("no init is told from a hang", True, "no-init" in cases[0].text)


def old_output():
    """Reports of another boot do not count."""
    port = "@old init\n@old start x\n1..1\nok 1 a\n@old end x exit 0 0.1\n@old done\n"
    boot = machine.Boot("", port, "no-init")
    yield expect("old reports give no programs", [], verdict.programs(port, "new"))
    cases = verdict.machine_cases(boot, "new", ["x"], False)
    wanted = ["every program ended", "machine gave a verdict"]
    yield expect("old reports give no verdict", wanted, failures(cases))


def all_checks(suite):
    """Groups of cases, each under its name."""
    yield "parsing", list(parsing())
    yield "kernel log", list(kernel_log())
    yield "leaking", list(leaking())
    yield "counting", list(counting())
    yield "old output", list(old_output())
    suite.build_tests("self", "tests")
    yield "here", list(here(suite))
    yield "in the machine", list(in_machine(suite))
    yield "broken machines", list(broken_machines(suite))
