#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""What gdb says of chain.c with the library's script: of a process, one that hangs, and a core.

usage: chain_test.py PROGRAM...
"""

import os
import re
import resource
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "..", "..", "userlib", "gdb", "libcoro-gdb.py")
SECONDS = 100

COMMANDS = (
    "info coros",
    "coro bt sleeps",
    "coro bt",
    "coro bt yields",
    "coro bt fresh",
    "coro bt ended",
    "coro select sleeps",
    "coro select",
    "coro bt nobody",
    "backtrace",
    "info coroutines",
    "coroutine sleeps bt",
    "coroutine sleeps",
    "coroutine nobody",
    "coroutine",
)


def gdb(argv, commands):
    """What gdb says to each command."""
    line = ["gdb", "-q", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex", f"source {SCRIPT}"]
    for number, command in enumerate(commands):
        line += ["-ex", f"echo @{number}\\n", "-ex", command]
    done = subprocess.run(
        [*line, *argv], text=True, check=False, timeout=SECONDS, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    parts = re.split(r"^@\d+\n", done.stdout, flags=re.M)
    return dict(zip(commands, parts[1:])), done.stdout


def functions(text):
    """Functions of frames, and the lines between backtraces in brackets."""
    found = []
    for line in text.splitlines():
        frame = re.match(r"#\d+ +(?:0x\w+ in )?(\w+)", line)
        title = re.match(r'(?:(\w+) by )?(?:coroutine "(\w+)"|the loop)', line)
        if frame:
            found.append(frame[1])
        elif title:
            found.append(f"[{title[1] or ''} {title[2] or 'loop'}]")
    return [name for name in found if not name.startswith(("coro_", "__", "_"))]


class Said:
    """The answers of one gdb to all commands; each method is one case."""

    def __init__(self, said):
        self.said = said

    # DIA-13, DIA-14
    def coroutines_are_listed(self):
        rows = {}
        for line in self.said["info coros"].splitlines():
            words = re.split(r" {2,}", line)
            if len(words) > 4:
                rows[words[3]] = (words[2], *(re.sub(r" \(id.*?\)", "", w) for w in words[4:]))
        loop = re.sub(r"\d+$", "N", rows["main"][2])
        thread = re.sub(r"\d+\)$", "N)", rows["stops"][1])
        timer = rows["sleeps"][1].startswith("timer, until ")
        return (rows["main"][:2], loop) == (
            ("SUSPENDED", 'coroutine "resumes"'), "run by the loop of thread N"
        ) and rows["resumes"] == (
            "RUNNING", "-", 'awaited by coroutine "main"'
        ) and rows["awaits_inline"] == (
            "SUSPENDED", 'coroutine "sleeps"', 'resumed by coroutine "resumes"'
        ) and (rows["sleeps"][0], timer, rows["sleeps"][2]) == (
            "SUSPENDED", True, 'awaited by coroutine "awaits_inline"'
        ) and rows["yields"] == ("SUSPENDED", "resume") and rows["fresh"] == (
            "CREATED", "-"
        ) and (rows["stops"][0], thread) == ("RUNNING", "(runs in thread N)")  # fmt: skip

    # DIA-09, DIA-13, DIA-14
    def suspended_chain_is_shown_to_its_root(self):
        return functions(self.said["coro bt sleeps"]) == [
            "[ sleeps]", "sleeps", "[awaited awaits_inline]", "awaits_inline", "[resumed resumes]",
            "resumes", "[awaited main]", "begins", "[run loop]",
        ]  # fmt: skip

    def running_one_is_shown_with_its_loop(self):
        names = [name for name in functions(self.said["coro bt"]) if name != "raise"]
        return names == ["[ stops]", "stops", "[run loop]", "main"]

    def generator_is_shown(self):
        return functions(self.said["coro bt yields"]) == ["[ yields]", "yields"]

    def function_of_a_new_one_is_named(self):
        return "it will begin in yields\n" in self.said["coro bt fresh"]

    # DIA-09
    def ended_one_has_no_stack(self):
        return "\nit has ended\n" in self.said["coro bt ended"]

    def frames_can_be_selected(self):
        return self.said["coro select sleeps"].startswith("#1 ")

    def unknown_one_is_an_error(self):
        return "There is no coroutine nobody." in self.said["coro bt nobody"]

    def words_for_threads_do_the_same(self):
        said = self.said
        return (
            said["info coroutines"] == said["info coros"] and said["coroutine sleeps bt"] == said["coro bt sleeps"]
            and said["coroutine sleeps"] == said["coro select sleeps"] and said["coroutine"] == said["coro select"]
            and "There is no coroutine nobody." in said["coroutine nobody"]
        )  # fmt: skip

    def plain_backtrace_ends_at_the_entry(self):
        lines = self.said["backtrace"].splitlines()
        return "stops" in functions("\n".join(lines)) and "coro__entry" in lines[-1]


CASES = [name for name in vars(Said) if not name.startswith("_")]


def cores_are_files():
    """Whether the kernel leaves a core where the program is; gdb's own has no stacks
    where guards are markers, since it gives up at the first page that it cannot read."""
    with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as f:
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        return hard == resource.RLIM_INFINITY and not re.search(r"[|/]", f.read())


def dump(program, scratch):
    """The core of the program, which nobody keeps from ending by its signal."""
    most = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    subprocess.run(
        [program], cwd=scratch, check=False, timeout=SECONDS,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, most),
    )  # fmt: skip
    return os.path.join(scratch, *os.listdir(scratch))


def attach(program):
    """To one whose loop hangs, by its number."""
    with subprocess.Popen([program, "hangs"], text=True, stdout=subprocess.PIPE) as hung:
        try:
            hung.stdout.readline()
            return gdb(["-p", str(hung.pid)], (*COMMANDS, "detach"))
        finally:
            hung.kill()


def look(program, scratch):
    """Answers for processes and for a core: (where, answers, all that gdb said)."""
    yield "process", *gdb([program], ("run", *COMMANDS, "kill"))
    yield "hung", *attach(program)
    if cores_are_files():
        yield "core", *gdb([program, dump(program, scratch)], COMMANDS)


def main():
    programs = [os.path.abspath(program) for program in sys.argv[1:]]
    places = 3 if cores_are_files() else 2
    print(f"TAP version 13\n1..{places * len(CASES) * len(programs)}")
    number = failed = 0
    for program in programs:
        with tempfile.TemporaryDirectory() as scratch:
            for where, said, text in look(program, scratch):
                answers = Said(said)
                for case in CASES:
                    number += 1
                    try:
                        good = getattr(answers, case)()
                    except (KeyError, IndexError):
                        good = False
                    if not good:
                        failed += 1
                        print("\n".join("# " + line for line in text.splitlines()))
                    name = f"{os.path.basename(program)}.{where}.{case}"
                    print(f"{'ok' if good else 'not ok'} {number} {name}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
