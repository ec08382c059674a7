#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""What coroctl says of target.c in each of its ways, and of a server under load.

usage: target_test.py PROGRAM...
"""

import collections
import contextlib
import ctypes
import fcntl
import functools
import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(HERE, "..", "..", "build")
CTL = os.path.join(BUILD, "tools", "coroctl")
SECONDS = 100
# In an emulated machine all is slow.
SLOW = "CORO_TEST_SLOWDOWN" in os.environ
# There are kernels whose clock knows only ticks: what is measured then is mostly 0.
COARSE = time.clock_getres(time.CLOCK_MONOTONIC) > 1e-6
MANY, LOOKS = (2000, 8) if SLOW else (100000, 100)
NOBODY = 65534
PTRACE_SEIZE = 0x4206
LOOK = (["ps"], ["tree"], ["stack"], ["leaks", "--seconds", "0.02"], ["stat"], ["top", "-n", "1", "-s", "0.02"])

# Of target.c: which function a coroutine of that name has.
CHURNING = {"main": "churn", **{name: name for name in ("churns", "mixes", "short_one", "other_one")}}
# And what it can wait for, besides its turn.
WAITS = {"churns": ["coroutine"], "mixes": ["lock", "time"], "short_one": ["lock"], "other_one": ["time"], "main": ["time"]}
HOUR_NS = 3600 * 10**9
ODD = '"\\\n\x1b\u00e9\ufffd,\x7f'


class Said:
    """What coroctl printed, and how it ended."""

    def __init__(self, *args, user=None, tool=CTL):
        drop = (lambda: (os.setgid(user), os.setuid(user))) if user is not None else None
        done = subprocess.run(
            [tool, *map(str, args)], text=True, check=False, timeout=SECONDS, preexec_fn=drop,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def json(self):
        return json.loads(self.out)

    def only_complains(self, *words):
        """Says what to do, on standard error alone."""
        good = not self.err or self.err.startswith("coroctl: ")
        return self.code == 2 and good and all(word in self.err for word in words)


@contextlib.contextmanager
def target(program, *how, user=None, env=None):
    """A program that is ready to be looked at."""
    drop = (lambda: (os.setgid(user), os.setuid(user))) if user is not None else None
    env = {**os.environ, **(env or {})}
    with subprocess.Popen([program, *how], text=True, stdout=subprocess.PIPE, preexec_fn=drop, env=env) as child:
        try:
            assert child.stdout.readline() == "ready\n"
            yield child.pid
        finally:
            child.kill()


def coroutines(*args):
    """Of the one process that is named."""
    said = Said("ps", "--json", *args)
    assert said.code == 0 and not said.err, said.err
    (process,) = said.json()["processes"]
    assert process["pid"] == args[0]
    return process["coroutines"]


def by_name(found):
    return {c["name"]: c for c in found}


def line_of(words):
    """The only line of target.c with these words."""
    with open(os.path.join(HERE, "target.c"), encoding="utf-8") as f:
        (number,) = [n for n, line in enumerate(f, 1) if words in line]
    return number


def has_debug_info(program):
    return not program.endswith("_stripped")


# DIA-13, DIA-14
def list_tells_state_and_what_is_awaited(program):
    with target(program, "hang") as pid:
        found = by_name(coroutines(pid))
        now = found["main"]["awaits"]
        assert now["kind"] == "time" and 0 < now["left_ns"] < 600 * 10**9
        assert found["plato"]["awaits"]["kind"] == "lock"
        assert found["parent"]["awaits"]["kind"] == "group"
        assert found["chain"]["awaits"] == {"kind": "coroutine", "id": found["sleeps"]["id"]}
        assert found["joins"]["awaits"] == {"kind": "coroutine", "id": found["chain"]["id"]}
        states = [found[n]["state"] for n in ("fresh", "ended", "plato")]
        assert states == ["created", "closed", "suspended"], states
        assert found["fresh"]["awaits"] is None
        for c in found.values():
            assert c["thread"] == pid
            assert 0 < c["stack_resident_bytes"] <= c["stack_peak_bytes"] < c["stack_size_bytes"], c


def list_tells_deadlines(program):
    with target(program, "leak") as pid:
        found = by_name(coroutines(pid))
        for name in "until", "until inline":
            now = found[name]["awaits"]
            assert now["kind"] == "lock" and 0 < now["left_ns"] < 600 * 10**9 < now["deadline_ns"], now
        # Who awaits one that has a deadline, and who has none.
        for name in "awaits until", "locks inline", "plato":
            assert "left_ns" not in found[name]["awaits"], found[name]
        assert re.search(r"\buntil inline .* lock 0x[0-9a-f]+, deadline in 5\d\d\.\d{3} s$", Said("ps", pid).out, re.M)


def list_tells_who_made_it_and_where(program):
    if not has_debug_info(program):
        return
    with target(program, "hang") as pid:
        plato = by_name(coroutines(pid))["plato"]
        made = plato["created"]
        assert plato["function"]["function"] == "philosopher"
        assert (made["function"], os.path.basename(made["file"])) == ("dine", "target.c")
        assert made["line"] == line_of('"plato"')


def odd_names_are_escaped(program):
    with target(program, "hang") as pid:
        assert ODD in by_name(coroutines(pid))
        text = Said("ps", pid).out
        assert '"\\x5c\\x0a\\x1b\u00e9\\xff,\\x7f' in text, text
        assert re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f]*", text)


# DIA-15
def deadlock_is_named_as_a_cycle(program):
    with target(program, "hang") as pid:
        said = Said("tree", pid)
        assert said.code == 1
        names = re.search(r"^cycle: \S+ (\w+) -> \S+ (\w+) -> \S+ (\w+)$", said.out, re.M).groups()
        assert names in (("plato", "kant", "plato"), ("kant", "plato", "kant")), names
        found = Said("tree", "--json", pid)
        (cycle,) = found.json()["cycles"]
        ids = {c["id"]: c["name"] for c in found.json()["coroutines"]}
        assert found.code == 1 and {ids[i] for i in cycle} == {"plato", "kant"}


# DIA-10, DIA-13
def tree_has_chains_and_children(program):
    with target(program, "hang") as pid:
        text = re.sub(r"\d+:0x\w+ ", "", Said("tree", pid).out)
        chain = r"^joins suspended: coroutine chain\n  chain suspended: .*\n    sleeps suspended"
        assert re.search(chain, text, re.M), text
        assert re.search(r"^parent suspended.*\n  child suspended.*\n  child suspended", text, re.M), text
        assert "ended" not in re.findall(r"^ *(\S+)", text, re.M)


# Of target.c: why it is a leak, and by whom.
LEAKS = {
    "plato": ("cycle", "kant"), "kant": ("cycle", "plato"),
    "behind": ("awaits_leak", "plato"), "behind it": ("awaits_leak", "behind"),
    "parent": ("awaits_leak", "stuck child"), "stuck child": ("awaits_leak", "kant"),
    "robbed": ("lost_lock", None), "robber": ("never_joined", None), "robbed too": ("lost_lock", None),
    "awaits inline": ("awaits_leak", "locks inline"), "locks inline": ("lost_lock", None),
    "inner": ("never_joined", None), "outer": ("awaits_leak", "inner"),
    "unstarted": ("never_started", None), "ended": ("never_joined", None),
}  # fmt: skip
WORDS = {
    "cycle": "it awaits itself in the end, through {}", "lost_lock": "who had the lock has ended without unlocking",
    "awaits_leak": "it awaits one that is told here too, {}", "never_started": "it was created and never started",
    "never_joined": "it has ended, and somebody still holds it",
}  # fmt: skip


# DIA-15
def leaks_are_told_with_their_reasons(program):
    """All of them, and nobody who is only patient."""
    with target(program, "leak") as pid:
        said = Said("leaks", "--json", "--seconds", "0.1", pid)
        assert said.code == 1 and not said.err, said.err
        found = by_name(said.json()["leaks"])
        ids = {c["id"]: name for name, c in found.items()}
        assert len(ids) == len(said.json()["leaks"]) and said.json()["pid"] == pid
        assert {name: (c["reason"], ids.get(c["through"])) for name, c in found.items()} == LEAKS, found
        awaits = {name: c["awaits"] and c["awaits"]["kind"] for name, c in found.items()}
        assert (awaits["plato"], awaits["outer"], awaits["unstarted"]) == ("lock", "coroutine", None), awaits
        if has_debug_info(program):
            made = found["unstarted"]["created"]
            assert (made["function"], made["line"]) == ("leak", line_of('"unstarted"')), made


def leaks_are_told_in_words(program):
    with target(program, "leak") as pid:
        said = Said("leaks", "-s", "0.1", pid)
        names = {c["name"]: f"{c['id']} {c['name']}" for c in coroutines(pid)}
        told = re.findall(r"^(\S+) (.*?) (created|suspended: .*|closed)\n    (.*)\n    created by (.*)\n", said.out, re.M)
        assert said.code == 1 and 3 * len(told) == said.out.count("\n") == 3 * len(LEAKS), said.out
        for id_, name, _, words, place in told:
            reason, through = LEAKS[name]
            assert names[name] == f"{id_} {name}"
            assert words == WORDS[reason].format(names.get(through)), words
            assert place.endswith(" at target.c:" + place.split(":")[-1]) or not has_debug_info(program), place


# What was only so at one look, or is so at no time, is none.
def no_leak_is_told_where_none_is(program):
    with target(program, "churn") as pid:
        for _ in range(LOOKS // 4):
            said = Said("leaks", "--json", "--seconds", "0.1", pid)
            assert said.code == 0 and said.json()["leaks"] == [] and not said.err, said.out


# Who is to start or to join them had no turn.
def no_leak_is_told_of_a_loop_that_hangs(program):
    with target(program, "churn") as pid:
        for _ in range(LOOKS // 4):
            os.kill(pid, signal.SIGSTOP)
            said = Said("leaks", "--seconds", "0.01", pid)
            os.kill(pid, signal.SIGCONT)
            assert (said.code, said.out, said.err) == (0, "", ""), said
    with target(program, "spin") as pid:
        said = Said("leaks", "--seconds", "0.01", pid)
        assert (said.code, said.out, said.err) == (0, "", "")


# DIA-09, DIA-13
def eventually(look):
    """What a look gives once that is something: how soon is the machine's affair."""
    end = time.monotonic() + SECONDS
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def stat_counts_as_the_list_does(program):
    with target(program, "hang") as pid:
        found = coroutines(pid)
        (one,) = Said("stat", "--json", pid).json()["schedulers"]
        assert one["meter"] is None and one["thread"] == pid and one["coroutines"] == len(found)
        # Who ticks sleeps now and runs then.
        still = [c for c in found if c["name"] != "ticks"]
        more = collections.Counter(one["states"]) - collections.Counter(c["state"] for c in still)
        assert sum(more.values()) == len(found) - len(still) == 1, (one, still)
        waits = collections.Counter(c["awaits"]["kind"] for c in still if c["awaits"])
        more = collections.Counter(one["awaits"]) - waits
        assert sum(more.values()) <= 1 and not waits - collections.Counter(one["awaits"]), (one, waits)
        said = Said("stat", pid)
        assert said.code == 0 and f"thread {pid}, {len(found)} coroutines: " in said.out, said.out
        if os.environ.get("CORO_BACKEND") == "device":
            device = one["device"]
            assert device["sched"] > 0 and device["owner_pid"] == pid and device["contexts"] >= len(found), device
            assert "handoffs" in device and re.search(r"^  device: .*\bstacks_resident_bytes [1-9]", said.out, re.M), said.out
        else:
            assert one["device"] is None and "device:" not in said.out
        assert re.search(r"^  awaits: .*\b2 lock\b", said.out, re.M) and "CORO_METER=1" in said.out, said.out


def measured(pid, turns):
    """What its loop has measured, once that are so many turns."""
    (one,) = Said("stat", "--json", pid).json()["schedulers"]
    return one["meter"]["turns"] >= turns and one["meter"]


def median(slots):
    """The slot with the one in the middle."""
    return next(n for n in range(len(slots)) if sum(slots[: n + 1]) * 2 > sum(slots))


def stat_shows_what_was_measured(program):
    with target(program, "churn", env={"CORO_METER": "1"}) as pid:
        one = eventually(lambda: measured(pid, 1000))
        other = eventually(lambda: measured(pid, one["turns"] + 1))
        for m in one, other:
            assert m["measured"] <= m["turns"]
            for what in "run", "ready":
                slots = m[what + "_times"]
                # One may have been measured while its figures were read.
                assert len(slots) == 40 and sum(slots) >= m["measured"] - 1, m
                longest = m[what + "_max_ns"]
                assert longest <= m[what + "_ns"] and slots[min(max(longest, 1).bit_length() - 1, 39)], m
                assert COARSE or longest > 0, m
            # Many are ready at a time, so that is longer by far.
            assert COARSE or median(m["run_times"]) < median(m["ready_times"]), m
        said = Said("stat", pid)
        assert said.code == 0, said.err
        assert re.search(r"^  \d+ turns, \d+ measured; ran \S+ [num]?s \(longest \S+ [num]?s\); ready ", said.out, re.M), said.out
        assert re.search(r"^ +at least +ran +was ready\n +[\d.]+ [num]?s +\d+ +\d+$", said.out, re.M), said.out


def tables(said):
    """Of what top printed: lines of schedulers, and the columns of the rows."""
    assert said.code == 0 and not said.err, said.err
    for text in said.out.split("coroctl top: process ")[1:]:
        head, rows = text.split("AWAITS\n")
        yield head.splitlines()[1:-1], [row.split() for row in re.sub(r"(\d) ([num]?s)\b", r"\1\2", rows).splitlines()]


def busy_tables(*args):
    """Not of a time in which the process had no processor."""
    found = list(tables(Said("top", *args)))
    return all(rows[0][3] != "0" for _, rows in found) and found


def top_shows_who_runs_most(program):
    with target(program, "churn", env={"CORO_METER": "1"}) as pid:
        found = eventually(lambda: busy_tables("--count", "2", "--seconds", "0.2", pid))
        assert len(found) == 2
        for (loop,), rows in found:
            assert re.search(rf"^scheduler 1, thread {pid}: {len(rows)} coroutines, [1-9]\d* turns/s, running +[\d.]+% ready", loop)
            assert len(rows) >= 17 and len({row[0] for row in rows}) == len(rows), rows
            run = [float(row[2].rstrip("%")) for row in rows]
            assert run == sorted(run, reverse=True), rows
        lines = Said("top", "--json", "-n", "2", "-s", "0.1", pid).out.splitlines()
        assert len(lines) == 2
        for one in map(json.loads, lines):
            (main,) = [c for c in one["coroutines"] if c["name"] == "main"]
            assert main["turns_per_second"] == 0 and main["run_ppm"] == 0 and main["awaits"]["kind"] == "time"
            assert one["pid"] == pid and len([c for c in one["coroutines"] if c["name"] == "churns"]) == 8
        # A thread has no more than all of the time, but if it lost its processor in a turn that counts for many.
        eventually(lambda: is_plausible(Said("top", "--json", "-n", "1", "-s", "0.1", pid).json()))


def is_plausible(top):
    (loop,) = top["schedulers"]
    churns = [c["turns_per_second"] for c in top["coroutines"] if c["name"] == "churns"]
    times = 0 < loop["run_ppm"] < 1500000 and loop["ready_ns"] > 0
    return 0 < sum(churns) < loop["turns_per_second"] and (COARSE or times)


def top_counts_turns_where_none_is_measured(program):
    with target(program, "hang") as pid:
        (((loop,), rows),) = eventually(lambda: busy_tables("-n1", "-s0.3", pid))
        assert "running      - ready         -" in loop and all(row[2] == "-" and row[4] == "-" for row in rows), loop
        assert "ticks" in rows[0] and rows[1][3] == "0", rows
        one = Said("top", "--json", "-n", "1", "-s", "0.1", pid).json()
        assert not any("run_ppm" in c for c in one["coroutines"] + one["schedulers"])


def lack_of_memory_is_told(program):
    """With so little, and a little more, that each of the large pieces lacks once."""
    if SLOW:
        return
    codes = set()
    with target(program, "many", "20000") as pid:
        for kib in range(3000, 16000, 200):
            limit = functools.partial(resource.setrlimit, resource.RLIMIT_AS, (kib << 10, kib << 10))
            done = subprocess.run(
                [CTL, "top", "-n", "1", "-s", "0.001", str(pid)], check=False, timeout=SECONDS, preexec_fn=limit,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # fmt: skip
            # Without its libraries it does not begin.
            assert done.returncode in (0, 2, 127), (kib, done.returncode)
            assert done.stdout.count(b"\n") == (0 if done.returncode else 20004), (kib, done.stdout[-100:])
            codes.add(done.returncode)
    assert {0, 2} <= codes, codes


def top_counts_no_turns_of_a_life_before(program):
    with target(program, "seldom") as pid:
        for line in Said("top", "--json", "-n", "40", "-s", "0.027", pid).out.splitlines():
            for c in json.loads(line)["coroutines"]:
                assert c["turns_per_second"] < 1000, c


class Terminal:
    """What a command shows on a terminal of so many lines, and what is typed there."""

    def __init__(self, lines, *args, term="xterm", hangup=signal.SIG_DFL):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            signal.signal(signal.SIGHUP, hangup)
            os.environ["TERM"] = term
            self.resize(lines, 0)
            os.execv(CTL, [CTL, *map(str, args)])

    def resize(self, lines, fd=None):
        fcntl.ioctl(self.fd if fd is None else fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, 100, 0, 0))

    def read_until(self, pattern):
        out = b""
        while not re.search(pattern, out, re.S):
            assert select.select([self.fd], [], [], SECONDS)[0], out
            try:
                out += os.read(self.fd, 65536)
            except OSError:
                raise AssertionError(f"no {pattern} in {out}") from None
        return out

    def type(self, keys):
        os.write(self.fd, keys)

    def end(self):
        out = b""
        with contextlib.suppress(OSError):
            while data := os.read(self.fd, 65536):
                out += data
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), out


def top_lives_on_a_terminal(program):
    # The virtual machine has none.
    if SLOW:
        return
    with target(program, "churn", env={"CORO_METER": "1"}) as pid:
        screen = Terminal(4, "top", "-s", "0.2", pid)
        screen.read_until(rb"process %d.*READY" % pid)
        for key in b"t", b"w", b"r", b"x", b"\x1bOB", b"\x1b[6~", b"\x1b[5~", b"\x1bOA", b"i", *[b"\x1bOB"] * 3:
            screen.type(key)
            time.sleep(0.05)
        # Lines that were not there are written whole. Three were scrolled away.
        screen.resize(20)
        shown = screen.read_until(rb"(1:0x[0-9a-f]+ .*){15}")
        ids = [int(number, 16) & 0xFFFFFFFF for number in re.findall(rb"1:0x([0-9a-f]+) +(?:sus|run|cre|clo)", shown)]
        assert len(ids) >= 15 and ids[-15:] == sorted(ids[-15:]) and 3 <= ids[-15] <= 8, ids
        screen.type(b"q")
        code, rest = screen.end()
        assert code == 0 and b"\x1b[?1049l" in rest, (code, rest)
        assert b"terminal cannot be used" in Terminal(4, "top", pid, term="none-such").end()[1]
        screen = Terminal(24, "top", "-s", "0.2", pid)
        screen.read_until(rb"TURNS/S")
    code, rest = screen.end()
    assert code == 2 and rest.index(b"\x1b[?1049l") < rest.index(b"it has ended"), (code, rest)


def top_leaves_the_terminal_as_it_was(program):
    if SLOW:
        return
    with target(program, "churn") as pid:
        for sig in signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM:
            screen = Terminal(24, "top", "-s", "1000", pid)
            screen.read_until(rb"TURNS/S")
            os.kill(screen.pid, sig)
            code, rest = screen.end()
            assert code == -sig and b"\x1b[?1049l" in rest, (sig, code, rest)
        # Its group has no parent in the session, and is not stopped, but otherwise all is as if.
        screen = Terminal(24, "top", "-s", "1000", pid)
        shown = screen.read_until(rb"TURNS/S")
        while not re.search(rb"1049l.*1049h.*TURNS/S", shown, re.S):
            # While it draws it takes none.
            os.kill(screen.pid, signal.SIGTSTP)
            if select.select([screen.fd], [], [], 0.2)[0]:
                shown += os.read(screen.fd, 65536)
        screen.resize(30)
        screen.read_until(rb"TURNS/S")
        screen.type(b"q")
        assert screen.end()[0] == 0


def top_ends_with_its_terminal(program):
    if SLOW:
        return
    with target(program, "churn") as pid:
        for seconds in "0.001", "1000":
            screen = Terminal(24, "top", "-s", seconds, pid, hangup=signal.SIG_IGN)
            screen.read_until(rb"TURNS/S")
            os.close(screen.fd)
            ended = os.pidfd_open(screen.pid)
            assert select.select([ended], [], [], SECONDS)[0], seconds
            os.close(ended)
            os.waitpid(screen.pid, 0)


def top_shows_some_of_many(program):
    if SLOW:
        return
    with target(program, "many", str(MANY)) as pid:
        screen = Terminal(8, "top", pid)
        screen.read_until(rb"(1:0x[0-9a-f]+ .*){3}")
        screen.type(b"q")
        assert screen.end()[0] == 0


def stack_shows_the_line_that_hangs(program):
    if not has_debug_info(program):
        return
    with target(program, "hang") as pid:
        said = Said("stack", pid, "plato")
        line = line_of("first == &left ? &right")
        assert said.code == 0 and f" philosopher at target.c:{line}\n" in said.out, said.out
        plato = by_name(coroutines(pid))["plato"]
        for name in plato["id"], plato["id"].split(":")[1], str(int(plato["id"].split(":")[1], 16)):
            assert Said("stack", pid, name).out == said.out, name
        (same,) = Said("stack", "--json", pid, "plato").json()["coroutines"]
        frame = next(f for f in same["frames"] if f["function"] == "philosopher")
        assert (os.path.basename(frame["file"]), frame["line"]) == ("target.c", line)


def stack_ends_at_the_entry(program):
    if not has_debug_info(program):
        return
    with target(program, "hang") as pid:
        found = by_name(Said("stack", "--json", pid).json()["coroutines"])
        assert len(found) > 8
        for name in "main", "plato", "chain", "sleeps", "parent":
            functions = [f["function"] for f in found[name]["frames"]]
            assert functions[-1] == "coro__entry", functions
            assert functions.count("coro__entry") == 1
        assert found["fresh"]["no_frames"] == "it has not begun" and not found["fresh"]["frames"]
        assert found["ended"]["no_frames"] == "it has ended"


# DIA-13
def state_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        status = file.read()
    assert re.search(r"^TracerPid:\t0$", status, re.M), status
    return re.search(r"^State:\t(.)", status, re.M)[1]


def frames_of(said):
    (one,) = said.json()["coroutines"]
    assert said.code == 0 and not said.err, said.err
    return one["no_frames"], one["frames"]


def frames_below(pid, function):
    """Its frames once that function calls no other: it may not be back from saying that it is ready."""
    frames = frames_of(Said("stack", "-j", "-r", pid, function))[1]
    return frames and frames[0]["function"] == function and frames


def running_one_is_shown_if_asked(program):
    with target(program, "spin") as pid:
        assert len(frames_of(Said("stack", "--json", "--running", pid, "spins"))[1]) >= 3 and state_of(pid) == "R"
        if has_debug_info(program):
            frames = eventually(lambda: frames_below(pid, "spins"))
            assert [f["function"].split(".")[0] for f in frames[1:]] == ["coro__call_fn", "coro__main", "coro__entry"], frames
            assert frames[0]["line"] - line_of("while (ever)") in (0, 1), frames
        frames = frames_of(Said("stack", "-j", "-r", pid, "spins"))[1]
        # One that is stopped stays so, and one that is not goes on, whatever becomes of us.
        os.kill(pid, signal.SIGSTOP)
        while state_of(pid) != "T":
            time.sleep(0.01)
        assert len(frames_of(Said("stack", "-j", "-r", pid, "spins"))[1]) == len(frames) and state_of(pid) == "T"
        os.kill(pid, signal.SIGCONT)
        for n in range(20):
            with subprocess.Popen([CTL, "stack", "-r", str(pid)], stdout=subprocess.DEVNULL) as looker:
                time.sleep(n / 1000)
                looker.kill()
            assert state_of(pid) in "RT"
        while state_of(pid) != "R":
            time.sleep(0.01)


def thread_in_a_system_call_does_not_notice(program):
    with target(program, "naps") as pid:
        for _ in range(5):
            why, frames = frames_of(Said("stack", "--json", "-r", pid, "naps"))
            assert why is None and (not has_debug_info(program) or "naps" in [f["function"] for f in frames]), (why, frames)
        assert state_of(pid) == "S"


def traced_one_is_told(program):
    with target(program, "spin") as pid:
        come, go = os.pipe()
        tracer = os.fork()
        if not tracer:
            os.write(go, b"%d" % ctypes.CDLL(None).ptrace(PTRACE_SEIZE, pid, None, None))
            signal.pause()
        assert os.read(come, 1) == b"0"
        why, _ = frames_of(Said("stack", "--json", "-r", pid, "spins"))
        os.kill(tracer, signal.SIGKILL)
        os.waitpid(tracer, 0)
        os.close(come)
        os.close(go)
        assert "somebody else traces its thread" in why and state_of(pid) == "R", why


def hung_loop_is_looked_at(program):
    with target(program, "spin") as pid:
        found = by_name(coroutines(pid))
        assert (found["spins"]["state"], found["waits"]["state"]) == ("running", "suspended")
        said = Said("stack", pid, "spins")
        assert said.code == 0 and f"it runs, on thread {pid}\n" in said.out, said.out


def many_are_listed(program):
    with target(program, "many", str(MANY)) as pid:
        found = coroutines(pid)
        assert len(found) == MANY + 1 and len({c["id"] for c in found}) == MANY + 1
        assert Said("ps", pid).out.count("\n") == MANY + 2


def reads_at_once():
    """Whether the kernel has process_vm_readv(); else few of these are ever seen at rest."""
    with open("/proc/kallsyms", encoding="utf-8") as f:
        return any("process_vm_rw" in line for line in f)


def no_entry_is_taken_in_halves(program):
    """Coroutines of two kinds end and begin in the same contexts all the time."""
    locks = set()
    with target(program, "churn") as pid:
        for _ in range(2 * LOOKS):
            for c in coroutines(pid):
                if has_debug_info(program):
                    assert c["function"]["function"] == CHURNING[c["name"]], c
                assert (c["awaits"] is None) == (c["state"] != "suspended"), c
                kind = c["awaits"] and c["awaits"]["kind"]
                assert kind in (None, "turn", *WAITS[c["name"]]), c
                if kind == "time":
                    assert abs(c["awaits"]["left_ns"]) < HOUR_NS, c
                if kind == "lock":
                    locks.add((c["name"], c["awaits"]["address"]))
    assert len(locks) == 2 or not reads_at_once(), locks


def no_cycle_is_seen_where_none_is(program):
    with target(program, "churn") as pid:
        for _ in range(LOOKS):
            said = Said("tree", "--json", pid)
            assert said.code == 0 and said.json()["cycles"] == [], said.out


def stacks_of_those_that_go_on_are_whole(program):
    if not has_debug_info(program):
        return
    with target(program, "churn") as pid:
        for _ in range(LOOKS // 4):
            for c in Said("stack", "--json", pid).json()["coroutines"]:
                functions = [f["function"] for f in c["frames"]]
                if c["no_frames"] is None:
                    assert functions[-1] == "coro__entry", c
                    assert CHURNING[c["name"]] in functions, c


# DIA-16
def schedulers_that_come_and_go_are_survived(program):
    with target(program, "threads") as pid:
        for _ in range(LOOKS):
            mine = [c for c in coroutines(pid) if c["awaits"] and c["awaits"].get("left_ns", 0) > 10**11]
            assert len(mine) == 1 and mine[0]["name"] == "main", mine


def death_is_survived(program):
    """A look at a process that is killed shows all of it or says that it has ended."""
    for round_ in range(LOOKS):
        with target(program, "hang") as pid:
            with subprocess.Popen(
                [CTL, *LOOK[round_ % len(LOOK)], "--json", str(pid)], text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            ) as ctl:  # fmt: skip
                # At all moments of it, one after the other.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    ctl.wait(round_ / LOOKS / 20)
                os.kill(pid, signal.SIGKILL)
                out, err = ctl.communicate(timeout=SECONDS)
        if ctl.returncode == 2:
            assert re.fullmatch(rf"coroctl: process {pid}: there is none, or it has ended; .*\n", err), err
            assert not out or json.loads(out) == {"processes": []}, out
        else:
            assert ctl.returncode in (0, 1) and not err and json.loads(out), err


def strangers_are_told_what_to_do(program):
    if os.getuid():
        return
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as targets:
        # The tree may be in a folder that is its owner's alone.
        os.chmod(folder, 0o755)
        tool, theirs = (shutil.copy(file, folder) for file in (CTL, program))
        stranger = {"user": NOBODY, "tool": tool}
        pid = targets.enter_context(target(program, "hang"))
        theirs = targets.enter_context(target(theirs, "hang", user=NOBODY))
        for command in "ps", "tree", "stack", "leaks", "stat", "top":
            said = Said(command, pid, **stranger)
            assert said.only_complains(f"process {pid}:", "be its user or root", "ptrace"), said.err
        said = Said("ps", "--json", **stranger)
        found = [p["pid"] for p in said.json()["processes"]]
        assert said.code == 0 and theirs in found and pid not in found and not said.err, said.err
        assert Said("ps", theirs, **stranger).code == 0


def all_processes_are_listed(program):
    with target(program, "hang") as one, target(program, "spin") as other:
        found = [p["pid"] for p in Said("ps", "--json").json()["processes"]]
        assert one in found and other in found
        assert re.search(rf"^ *{one} ", Said("ps").out, re.M)


def process_without_coroutines_is_told(program):
    assert Said("ps", os.getpid()).only_complains("no coroutines of libcoro")
    for command in "tree", "leaks", "stat", "top":
        assert Said(command, os.getpid()).only_complains("no coroutines of libcoro")
    with target(program, "hang") as pid:
        said = Said("ps", "--json", os.getpid(), pid)
        assert said.code == 2 and [p["pid"] for p in said.json()["processes"]] == [pid]
        said = Said("stack", pid, "nobody")
        assert (said.code, said.out) == (1, "") and "no such coroutine" in said.err


def process_that_is_not_there_is_told(_):
    with subprocess.Popen([CTL, "--version"], stdout=subprocess.DEVNULL) as child:
        child.wait()
    for command in "ps", "tree", "stack", "leaks", "stat", "top":
        assert Said(command, child.pid).only_complains("there is none, or it has ended")


def wrong_usage_is_explained(_):
    for args in ([], ["nothing"], ["tree"], ["tree", "1", "2"], ["stack"], ["ps", "-x"], ["--x"], ["leaks"], ["stat"], ["top"],
                 ["top", "-n0", "1"],
                 ["leaks", "1", "2"], ["leaks", "-s"], ["tree", "-s1", "1"]):  # fmt: skip
        said = Said(*args)
        assert said.code == 2 and not said.out and "coroctl" in said.err, (args, said.err)
    for args in (["tree", "--seconds", "1", "1"], ["--seconds", "1", "leaks", "1"]):
        assert "--seconds is not for this" in Said(*args).err, args
    for pid in "0", "-1", "x", "1x", "", "99999999999999999999":
        assert Said("ps", "--", pid).only_complains("is no process id"), pid
        assert Said("leaks", "--", pid).only_complains("is no process id"), pid
    for seconds in "0", "-1", "x", "1x", "", "nan", "inf", "86401":
        assert Said("leaks", "--seconds", seconds, os.getpid()).only_complains("is no time"), seconds


def help_and_version_are_printed(_):
    for command in [], ["ps"], ["tree"], ["stack"], ["leaks"], ["stat"], ["top"]:
        said = Said(*command, "--help")
        assert said.code == 0 and said.out.startswith("usage: coroctl") and "Exit codes:" in said.out
        assert re.fullmatch(r"coroctl [\d.]+\n", Said(*command, "--version").out)


def output_that_cannot_be_written_is_told(program):
    with target(program, "hang") as pid, open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [CTL, "ps", str(pid)], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=SECONDS)
        assert done.returncode == 2 and "cannot write" in done.stderr, done.stderr


def server_under_load_is_looked_at(_):
    """The example server answers all that it is asked, and each look is whole."""
    with tempfile.TemporaryDirectory() as root, subprocess.Popen(
        [os.path.join(BUILD, "examples", "http_server"), "-p", "0", root], text=True, stdout=subprocess.PIPE,
    ) as server:  # fmt: skip
        try:
            with open(os.path.join(root, "file"), "w", encoding="utf-8") as f:
                f.write("x" * 1000)
            port = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", server.stdout.readline())[1]
            url = f"http://127.0.0.1:{port}/file"
            wrk = ["wrk", "-t1", "-c64", "-d600s", "--timeout", "20s", url]
            with subprocess.Popen(wrk, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as load:
                try:
                    eventually(lambda: len(coroutines(server.pid)) > 60)
                    for number in range(2 * LOOKS):
                        look_at_server(server.pid, port, number)
                    assert load.poll() is None
                finally:
                    load.send_signal(signal.SIGINT)
                said = load.stdout.read()
            assert "requests in" in said and "Socket errors" not in said and "Non-2xx" not in said, said
        finally:
            server.kill()


def look_at_server(pid, port, number):
    """Five looks; some of them take longer, and come now and then."""
    for line in Said("ps", pid).out.splitlines()[1:]:
        assert re.match(rf" *{pid} +\d+ \d+:0x\w+ +(created|running|suspended|closed) ", line), line
    for c in coroutines(pid):
        assert c["name"] in ("main", "stop_on_signal", "http_serve"), c
        if (c["awaits"] or {}).get("operation") == "accept":
            assert c["awaits"]["local"] == f"127.0.0.1:{port}", c
        if (c["awaits"] or {}).get("operation") == "recv" and "peer" in c["awaits"]:
            assert re.fullmatch(r"127\.0\.0\.1:\d+", c["awaits"]["peer"]), c
    for command in (["tree"], ["stack"], ["stack", "--running"] if number % 8 == 0 else ["stat"]):
        said = Said(*command, pid)
        assert said.code == 0 and not said.err, (command, said.err)
    if number % 16 == 0:
        leaks = Said("leaks", "--seconds", "0.1", pid)
        assert (leaks.code, leaks.out) == (0, ""), leaks.out


OF_EACH = (
    list_tells_state_and_what_is_awaited, list_tells_deadlines, list_tells_who_made_it_and_where, odd_names_are_escaped,
    deadlock_is_named_as_a_cycle, tree_has_chains_and_children, stack_shows_the_line_that_hangs,
    stack_ends_at_the_entry, running_one_is_shown_if_asked, thread_in_a_system_call_does_not_notice,
    traced_one_is_told, hung_loop_is_looked_at, no_entry_is_taken_in_halves,
    stat_counts_as_the_list_does, stat_shows_what_was_measured, top_shows_who_runs_most,
    top_counts_turns_where_none_is_measured,
    no_cycle_is_seen_where_none_is, leaks_are_told_with_their_reasons, leaks_are_told_in_words,
    no_leak_is_told_where_none_is, no_leak_is_told_of_a_loop_that_hangs, stacks_of_those_that_go_on_are_whole,
    schedulers_that_come_and_go_are_survived,
)  # fmt: skip
OF_ONE = (
    many_are_listed, death_is_survived, strangers_are_told_what_to_do, all_processes_are_listed,
    process_without_coroutines_is_told, process_that_is_not_there_is_told, wrong_usage_is_explained,
    top_lives_on_a_terminal, top_leaves_the_terminal_as_it_was, top_ends_with_its_terminal, top_shows_some_of_many,
    top_counts_no_turns_of_a_life_before, lack_of_memory_is_told, help_and_version_are_printed, output_that_cannot_be_written_is_told, server_under_load_is_looked_at,
)  # fmt: skip


def main():
    programs = [os.path.abspath(program) for program in sys.argv[1:]]
    if not programs:
        sys.exit(__doc__)
    cases = [(case, program) for program in programs for case in OF_EACH]
    cases += [(case, programs[0]) for case in OF_ONE]
    print(f"TAP version 13\n1..{len(cases)}", flush=True)
    failed = 0
    for number, (case, program) in enumerate(cases, 1):
        where = "" if case in OF_ONE else os.path.basename(program) + "."
        try:
            case(program)
            print(f"ok {number} {where}{case.__name__}", flush=True)
        except Exception as error:
            failed += 1
            text = f"{type(error).__name__}, line {error.__traceback__.tb_next.tb_lineno}: {error}"
            print("\n".join("# " + line for line in text.splitlines()))
            print(f"not ok {number} {where}{case.__name__}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
