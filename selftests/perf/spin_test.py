#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Which call chains perf sees in spin.c, by frame pointers and by CFI.

usage: spin_test.py PROGRAM...

A chain ends where the coroutine begins, in coro__entry: who drives or awaits it is
on another stack. Where perf may not sample the test is skipped as a whole.
"""

import functools
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter

SECONDS = 100
# A clock of software, which machines without counters have too; in nanoseconds.
EVENT = ("-e", "cpu-clock:u", "-c", "500000")
FORMS = ("fp", "dwarf")
# Fewer samples prove nothing. It takes four times as many and more where it may.
ENOUGH = 10

ENTRY = ["coro__call_fn", "coro__main", "coro__entry"]
OURS = re.compile(r"spin_\w+|libcoro\.so.*")
# What the C runtime puts into each of them, without frame pointers and CFI.
RUNTIME = ("_init", "_fini", "frame_dummy", "register_tm_clones", "deregister_tm_clones", "__do_global_dtors_aux")


class NoPerf(Exception):
    pass


def perf(argv, scratch):
    """What perf prints, with nobody's settings."""
    env = {**os.environ, "LC_ALL": "C", "HOME": scratch, "PERF_CONFIG": "/dev/null", "DEBUGINFOD_URLS": ""}
    try:
        done = subprocess.run(
            ["perf", *argv], text=True, check=False, timeout=SECONDS, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, cwd=scratch,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise NoPerf(f"{error}: it comes with linux-perf") from None
    if done.returncode:
        raise NoPerf(" ".join(done.stdout.split()) or f"perf {argv[0]} ended with {done.returncode}")
    return done.stdout


def try_perf(scratch):
    """Whether perf may sample here; the reason why not can be had."""
    try:
        perf(["record", "-q", *EVENT, "-o", "tried", "true"], scratch)
    except NoPerf as error:
        return str(error)
    return None


def base(symbol):
    """What the compiler made of a function has its name, a dot and more."""
    return re.split("[.@]", symbol)[0]


@functools.cache
def frameless(path):
    """Where a function has let its frame go: (function, offset) of what comes after
    the frame pointer was restored, mostly a return. There a chain of frame pointers
    lacks the caller, and by gcc's CFI the caller's frame pointer is still to be had
    from below the stack pointer, of which perf copies nothing."""
    argv = ["objdump", "-d", "--no-show-raw-insn", path]
    text = subprocess.run(argv, text=True, check=True, stdout=subprocess.PIPE).stdout
    found = set()
    for start, symbol, body in re.findall(r"^(\w+) <(\S+)>:\n((?:.+\n)*)", text, re.M):
        for address in re.findall(r"\t(?:leave|pop +%rbp) *\n +(\w+):", body):
            found.add((base(symbol), int(address, 16) - int(start, 16)))
    return found


def name_of(symbol, path):
    """A function; with an @ and the library if that is another's."""
    library = os.path.basename(path)
    known = symbol != "[unknown]" and not OURS.fullmatch(library)
    return base(symbol) + (f"@{library}" if known else "")


def sample(program, form, scratch):
    """Chains of functions, the innermost first, of samples in the program or the library."""
    record = ["record", "-q", "-B", "-N", *EVENT, "--call-graph", form]
    perf([*record, "-o", form, program], scratch)
    text = perf(["script", "-i", form, "--no-inline", "-F", "ip,sym,symoff,dso"], scratch)
    chains = []
    for part in text.split("\n\n"):
        frames = re.findall(r"^\s*[0-9a-f]+ (\S+?)(?:\+0x([0-9a-f]+))? \((.*)\)$", part, re.M)
        names = [name_of(symbol, path) for symbol, _, path in frames]
        offset, path = frames[0][1:] if frames else ("", "")
        ours = OURS.fullmatch(os.path.basename(path)) and names[0] not in RUNTIME
        if ours and (names[0], int(offset or "0", 16)) not in frameless(path):
            chains.append(names)
    return chains


class Seen:
    """The chains of one run, innermost first. Each method is one case: how many
    samples it is about, the fewest of a kind, and which of them are wrong."""

    def __init__(self, chains, form):
        self.chains = chains
        self.form = form

    def _within(self, function):
        return [chain for chain in self.chains if chain[0] == function]

    def _whole(self, chain):
        """To the entry of the coroutine, or down the thread's own stack: by frame
        pointers as far as libc, which called main and has none."""
        libc = self.form == "fp" and any("@" in function for function in chain)
        return libc or chain[-1] in ("coro__entry", "_start")

    def _all_are(self, *functions):
        found = self._within(functions[0])
        return len(found), [chain for chain in found if chain != [*functions, *ENTRY]]

    def resumed_one_is_seen_to_its_entry(self):
        return self._all_are("resumed_inner", "resumed_outer")

    def driver_is_seen_to_main(self):
        found = self._within("driver_inner")
        mains = ["driver_inner", "driver_outer", "main"]
        return len(found), [chain for chain in found if chain[:3] != mains]

    def awaited_one_is_seen_to_its_entry(self):
        return self._all_are("awaited_inner", "awaited_outer")

    def awaiter_is_seen_to_its_entry(self):
        return self._all_are("awaiter_inner", "awaiter_outer")

    def both_sides_are_seen_from_the_switch(self):
        found = self._within("coro__switch")
        sides = [
            sum("yields_only" in chain and chain[-3:] == ENTRY for chain in found),
            sum("resumes_only" in chain and "main" in chain for chain in found),
        ]
        return min(sides), [chain for chain in found if not self._whole(chain)]

    def no_chain_is_broken(self):
        return len(self.chains), [chain for chain in self.chains if not self._whole(chain)]


CASES = [name for name in vars(Seen) if not name.startswith("_")]


def judge(count, wrong):
    """Whether a case is good; if not, comments on what was seen."""
    if count < ENOUGH:
        print(f"# only {count} samples are good for this")
    for text, number in Counter(" < ".join(chain) for chain in wrong).items():
        print(f"# {number} times: {text}")
    return count >= ENOUGH and not wrong


def main():
    programs = [os.path.abspath(program) for program in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as scratch:
        refused = try_perf(scratch)
    if refused:
        print(f"TAP version 13\n1..0 # SKIP perf cannot sample: {refused}")
        return 4
    print(f"TAP version 13\n1..{len(FORMS) * len(CASES) * len(programs)}")
    number = failed = 0
    for program in programs:
        for form in FORMS:
            with tempfile.TemporaryDirectory() as scratch:
                try:
                    chains = sample(program, form, scratch)
                except NoPerf as error:
                    print(f"# {error}")
                    chains = []
            seen = Seen(chains, form)
            for case in CASES:
                number += 1
                good = judge(*getattr(seen, case)())
                failed += not good
                name = f"{os.path.basename(program)}.{form}.{case}"
                print(f"{'ok' if good else 'not ok'} {number} {name}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
