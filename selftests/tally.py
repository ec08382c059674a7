# SPDX-License-Identifier: GPL-2.0
"""The count over all stages: what passed, what failed and why, what was skipped."""

import re

SHOWN = 15  # lines of a failure's text at either end


def read_skips(path):
    """Rules of the list of allowed skips: (stage, program, case) as patterns."""
    rules = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            words = line.split("#")[0].split(None, 3)
            if words and len(words) < 4:
                raise SystemExit(f"{path}: a skip needs stage, program, case, reason: {line}")
            if words:
                rules.append(words[:3])
    return rules


class Tally:
    def __init__(self, skips, log, quiet=False):
        self.skips = skips
        self.log = log
        self.quiet = quiet
        self.passed = self.skipped = 0
        self.failures = []

    def allowed(self, *what):
        return any(
            all(re.fullmatch(pattern, word) for pattern, word in zip(rule, what))
            for rule in self.skips
        )  # fmt: skip

    def add(self, stage, program, cases, seconds=None):
        """Counts the cases of one program and prints one line, more on failure."""
        bad = []
        passed = skipped = 0
        for case in cases:
            if case.outcome == "skip" and self.allowed(stage, program, case.name):
                skipped += 1
            elif case.outcome == "pass":
                passed += 1
            else:
                bad.append(case)
        self.passed += passed
        self.skipped += skipped
        self.failures += [f"{stage} {program} {case.name}" for case in bad]
        words = [f"{'FAIL' if bad else 'ok':4} {stage:12} {program:28} {passed:4} passed"]
        words += [f"{len(bad)} failed"] if bad else []
        words += [f"{skipped} skipped"] if skipped else []
        words += [f"{seconds:.1f} s"] if seconds is not None else []
        self.say(", ".join(words))
        for case in bad:
            self.say(f"     {case.name}: {'skipped, not allowed: ' * (case.outcome == 'skip')}")
            self.say("\n".join("       " + line for line in shorten(case.text.splitlines())))

    def say(self, text):
        if text:
            if not self.quiet:
                print(text, flush=True)
            print(text, file=self.log, flush=True)

    def finish(self):
        """Prints the last line; true if nothing failed and something passed."""
        if self.failures:
            self.say("\nFailed:")
            self.say("\n".join("  " + failure for failure in self.failures))
        self.say(f"{self.passed} passed, {len(self.failures)} failed, {self.skipped} skipped")
        return self.passed > 0 and not self.failures


def shorten(lines):
    """The beginning and the end of a long text, repetitions once."""
    once = [line for i, line in enumerate(lines) if i == 0 or line != lines[i - 1]]
    if len(once) <= 2 * SHOWN:
        return once
    return [*once[:SHOWN], f"... {len(once) - 2 * SHOWN} lines ...", *once[-SHOWN:]]
