#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Which behaviour of coroutines is shown by which test: writes README.md from conformance.ids."""
import argparse
import glob
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
IDS, PAGE = "selftests/lib/conformance.ids", "selftests/lib/README.md"
LEVELS = ("core", "expected", "beyond")
ID = r"[A-Z]{2,3}-\d\d"
SECTION = re.compile(r"\[([A-Z]{2,3})\] (.+)")
ENTRY = re.compile(r"(%s) (\w+) (.+)" % ID)
KEY = re.compile(r"\t(from|unlike|not|pending): ?(.*)")
# A comment, and the test that begins on the line after it.
TEST = re.compile(r"(?:^/\*((?:[^*]|\*(?!/))*)\*/\n)?^TEST(?:_F|_SIGNAL|_F_SIGNAL|_F_TIMEOUT)?\(\s*(\w+)(?:,\s*(\w+))?",
                  re.M)
# The same of a script, whose cases are methods or functions.
CASE = re.compile(r"^(?:    )?#( %s.*)\n()(?:    )?def (\w+)\((?:self|program)\)" % ID, re.M)
NAMES_IDS = re.compile(r"(%s(?:,? %s)*)(?:[:;] .*)?" % (ID, ID), re.S)

INTRO = """<!-- Written by conformance.py from conformance.ids and the tests: run it, do not edit here. -->
# Which test shows what

The behaviours below are those of CPython's coroutine objects and of asyncio, said for C: an
exception is a negative errno, cancelled is `-ECANCELED`, timed out is `-ETIMEDOUT`, and what
`coro_close()` throws is `CORO_EXIT`. *From* names the CPython test, source or other library that
each was taken from; *observed* is what CPython 3.11 to 3.13 were seen to do. A test names the
behaviours that it shows in the comment before it.

`core`: what calls itself coroutines must do this. `expected`: users would be surprised otherwise.
`beyond`: better than asyncio. Where the library does not do as asyncio does, *asyncio* says what
that does.

"""


class Entry:
    """One behaviour."""

    def __init__(self, name, level, text, line):
        self.name, self.level, self.text, self.line = name, level, text, line
        self.tests = []
        self.said = {}


class Book:
    """All behaviours, the tests that show them, and what is wrong with either."""

    def __init__(self, root):
        self.root = root
        self.entries = {}
        self.sections = {}
        self.wrong = []
        self.read_ids()
        for path in sorted(glob.glob(f"{root}/selftests/lib/*_test.c")) + \
                sorted(glob.glob(f"{root}/selftests/regress/lib_*_test.c")):
            self.read_tests(os.path.relpath(path, root), TEST)
        for path in sorted(glob.glob(f"{root}/selftests/gdb/*_test.py")) + \
                sorted(glob.glob(f"{root}/selftests/tools/*_test.py")):
            self.read_tests(os.path.relpath(path, root), CASE)
        for entry in self.entries.values():
            self.judge(entry)

    def complain(self, path, line, reason):
        self.wrong.append(f"{path}:{line}: {reason}")

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as f:
            return f.read()

    def read_ids(self):
        entry = None
        for number, line in enumerate(self.read(IDS).split("\n"), 1):
            if not line or line.startswith("#"):
                continue
            if match := SECTION.fullmatch(line):
                self.sections[match[1]] = match[2]
            elif match := ENTRY.fullmatch(line):
                entry = Entry(match[1], match[2], match[3], number)
                self.add(entry)
            elif entry and (match := KEY.fullmatch(line)):
                entry.said[match[1]] = match[2]
            else:
                self.complain(IDS, number, "neither [SECTION], \"ID LEVEL what holds\" nor \"<tab>key: text\"")

    def add(self, entry):
        section, number = entry.name.split("-")
        before = sum(name.startswith(section + "-") for name in self.entries)
        if entry.name in self.entries:
            self.complain(IDS, entry.line, f"{entry.name} is there already")
        elif section not in self.sections or int(number) != before + 1:
            self.complain(IDS, entry.line, f"{entry.name} is out of order")
        if entry.level not in LEVELS:
            self.complain(IDS, entry.line, f"level {entry.level} is none of {', '.join(LEVELS)}")
        self.entries.setdefault(entry.name, entry)

    def read_tests(self, path, pattern):
        text = self.read(path)
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start(2)) + 1
            said = re.sub(r"\s*\n \*\s*", " ", match[1] or "").strip()
            if not re.match(ID, said):
                continue
            names = NAMES_IDS.fullmatch(said)
            if not names:
                self.complain(path, line, "not \"ID, ID: remark\" in the comment before the test")
                continue
            program = re.sub(r"^selftests/(lib/)?|\.(c|py)$", "", path)
            for name in re.findall(ID, names[1]):
                if name in self.entries:
                    self.entries[name].tests.append(f"{program}: {match[3] or match[2]}")
                else:
                    self.complain(path, line, f"{name} is not in {IDS}")

    def judge(self, entry):
        if "not" in entry.said:
            if entry.tests:
                self.complain(IDS, entry.line, f"{entry.name} does not apply, and is tested by {entry.tests[0]}")
            if "pending" in entry.said or not entry.said["not"]:
                self.complain(IDS, entry.line, f"{entry.name} does not apply: say why, and nothing else")
        elif not entry.tests and "pending" not in entry.said:
            self.complain(IDS, entry.line, f"{entry.name} has no test and no reason why it does not apply")
        elif entry.tests and entry.said.get("pending") == "":
            self.complain(IDS, entry.line, f"{entry.name} is pending, and is tested by {entry.tests[0]}")

    def count(self, what):
        return sum(what in entry.said for entry in self.entries.values())

    def drop_pending(self):
        """Behaviours that have got a test are pending no more."""
        lines = self.read(IDS).split("\n")
        tested = {entry.line for entry in self.entries.values() if entry.tests}
        keep, at = [], 0
        for number, line in enumerate(lines, 1):
            at = number if ENTRY.fullmatch(line) else at
            if not (at in tested and line == "\tpending:"):
                keep.append(line)
        return "\n".join(keep)

    def page(self):
        tested = sum(bool(entry.tests) for entry in self.entries.values())
        counts = f"{len(self.entries)} behaviours: {tested} tested, {self.count('not')} do not apply to C"
        pending = self.count("pending")
        text = INTRO + counts + (f", {pending} are pending, in part or whole.\n" if pending else ".\n")
        for section, title in self.sections.items():
            text += f"\n## {title}\n\n| id | level | what holds | from | tested by |\n|---|---|---|---|---|\n"
            text += "".join(row(e) for e in self.entries.values() if e.name.startswith(section + "-"))
        return text


def row(entry):
    """A line of the table."""
    holds = entry.text
    if "unlike" in entry.said:
        holds += f" *asyncio:* {entry.said['unlike']}"
    shown = [f"`{test}`" for test in entry.tests]
    if "not" in entry.said:
        shown.append(f"does not apply: {entry.said['not']}")
    if "pending" in entry.said:
        shown.append(f"pending: {entry.said['pending']}".rstrip(": "))
    cells = [entry.name, entry.level, holds, entry.said.get("from", ""), "<br>".join(shown)]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells).replace("  ", " ") + " |\n"


def write(root, path, text):
    with open(os.path.join(root, path), "w", encoding="utf-8") as f:
        f.write(text)


def check(book):
    """Findings, then how many behaviours wait for a test."""
    path = os.path.join(book.root, PAGE)
    if not os.path.isfile(path) or book.read(PAGE) != book.page():
        book.complain(PAGE, 1, "is not what conformance.py writes: run it")
    print("".join(finding + "\n" for finding in book.wrong), end="")
    if book.count("pending"):
        print(f"{IDS}:1: notice: {book.count('pending')} of {len(book.entries)} behaviours are pending")
    return 1 if book.wrong else 0


def main():
    parser = argparse.ArgumentParser(
        description="Writes selftests/lib/README.md: each behaviour of conformance.ids with the tests that name it "
                    "in the comment before them, /* TSK-06, TSK-10: remark */. Takes a bare \"pending:\" off those that "
                    "have got a test. Exits with 1 if something does not go together.")
    parser.add_argument("--check", action="store_true", help="write nothing; a stale page is a finding")
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(HERE)), help="another tree")
    args = parser.parse_args()
    book = Book(args.root)
    if args.check:
        return check(book)
    write(args.root, IDS, book.drop_pending())
    book = Book(args.root)
    write(args.root, PAGE, book.page())
    return check(book)


if __name__ == "__main__":
    sys.exit(main())
