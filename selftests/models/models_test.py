#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Searches all states of the models here, and sees that wrong variants of them are found wrong.

usage: models_test.py [MODEL...]
"""

import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# What a model says of itself, for each set of macros: holds in all states; ends, however it
# goes; fails, and what is said then.
RUN = re.compile(r"^ \* (holds|ends|fails): ([\w= ]*):(?: ([^:\n]+):)? ", re.M)
SECONDS = 100
DEPTH = 100000
MEGABYTES = 480
AT_ONCE = 2
SHOWN = 60

BUILD = ["gcc", "-w", "-DCOLLAPSE", f"-DMEMLIM={MEGABYTES}", "-o", "pan", "pan.c"]
# What fails is found soon: its compiler takes longer than its search.
HOW = {"holds": ["-O1", "-DSAFETY"], "ends": ["-O1", "-DNP"], "fails": ["-O0", "-DSAFETY"]}
NOISE = re.compile(r"^(?:Depth=.*|unreached in .*(?:\n\t.*)*|\s*)\n", re.M)


class Run:
    """One search: of a model with these macros, and what is to come of it."""

    def __init__(self, path, kind, macros, text):
        self.path, self.kind, self.macros, self.text = path, kind, macros.split(), text
        self.file = os.path.basename(path)
        self.name = ".".join([self.file[: -len(".pml")], kind, *self.macros])
        self.defines = [f"-D{macro}" for macro in self.macros]
        self.said = ""

    def command(self, argv, scratch):
        done = subprocess.run(
            argv, cwd=scratch, text=True, check=False, timeout=SECONDS, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.said = done.stdout
        return done.returncode == 0

    def search(self, scratch):
        """True if the search came to its end and found what it was to find."""
        os.symlink(self.path, os.path.join(scratch, self.file))
        if not self.command(["spin", "-a", *self.defines, self.file], scratch):
            return False
        if not self.command([*BUILD, *HOW[self.kind]], scratch):
            return False
        self.command(["./pan", f"-m{DEPTH}", *(["-l"] if self.kind == "ends" else [])], scratch)
        errors = re.search(r"errors: (\d+)$", self.said, re.M)
        first = re.search(r"^pan:1: (.*)", self.said, re.M)
        if self.kind == "fails":
            return bool(first) and self.text in first[1]
        whole = not re.search(r"Search not completed|search depth too small|out of memory", self.said)
        return whole and not first and bool(errors) and errors[1] == "0"

    def figures(self):
        states = re.search(r"^ *(\S+) states, stored", self.said, re.M)
        memory = re.search(r"^ *(\S+)\s+total actual memory usage", self.said, re.M)
        return f"{states[1] if states else '?'} states, {memory[1] if memory else '?'} MB"

    def trail(self, scratch):
        """What was said, and the end of the way to what was found."""
        said = NOISE.sub("", self.said)
        if glob.glob(os.path.join(scratch, "*.trail")):
            self.command(["spin", "-t", "-p", *self.defines, self.file], scratch)
            said += "\n" + "\n".join(self.said.splitlines()[-SHOWN:])
        return said

    def result(self):
        """Whether it is as it should be, and what is to be said about it."""
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            try:
                good = self.search(scratch)
                said = self.figures() if good else self.trail(scratch)
            except subprocess.TimeoutExpired:
                good, said = False, f"took more than {SECONDS} s"
        return good, f"{said}\n{time.monotonic() - start:.1f} s"


def runs_of(path):
    with open(path, encoding="utf-8") as f:
        return [Run(path, *match.groups()) for match in RUN.finditer(f.read())]


def main():
    names = sys.argv[1:] or sorted(glob.glob("*.pml", root_dir=HERE))
    runs = [run for name in names for run in runs_of(os.path.join(HERE, name))]
    print(f"TAP version 13\n1..{len(runs)}", flush=True)
    failed = False
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        results = pool.map(Run.result, runs)
        for number, (run, (good, said)) in enumerate(zip(runs, results), 1):
            failed = failed or not good
            print("\n".join("# " + line for line in said.splitlines() if line.strip()))
            print(f"{'ok' if good else 'not ok'} {number} {run.name}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
