#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Whether the probes of the library are those of man/libcoro.7, and what gdb sees at them in traced.c.

usage: traced_test.py PROGRAM...
"""

import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..")
MAN = os.path.join(TOP, "man", "libcoro.7")
UAPI = os.path.join(TOP, "uapi", "linux", "coro.h")
SECONDS = 60

# How a note says what type an argument has.
SIZES = {"uint64_t": "8", "long": "-8", "int": "-4", "enum coro_awaits": "4"}
FORMATS = {"8": "%lu", "-8": "%ld", "4": "%u", "-4": "%d"}

# What happens to whom, in order: a coroutine, and of the arguments what says more.
EXPECTED = {
    "pair": """
        new main pair
        resume main
        new holder holds
        new waiter waits
        suspend main CONTEXT holder
        resume holder
        suspend holder TIMER deadline
        resume waiter
        suspend waiter LOCK lock
        wake holder
        resume holder
        wake waiter
        end holder 41
        wake main
        resume waiter
        end waiter 42
        resume main
        free holder
        free waiter
        end main 0
        free main""",
    "cancel": """
        new main cancels
        resume main
        new sleeper sleeps
        suspend main TURN 0
        resume sleeper
        suspend sleeper TIMER 9223372036854775807
        resume main
        cancel sleeper
        wake sleeper
        suspend main CONTEXT sleeper
        resume sleeper
        end sleeper -125
        wake main
        resume main
        free sleeper
        end main 0
        free main""",
    "shield": """
        new main shields
        resume main
        end main 0
        free main""",
    "deadline": """
        new main expires
        resume main
        suspend main TIMER 9223372036854775807
        cancel main
        wake main
        resume main
        end main 0
        free main""",
    "eager": """
        new main hurries
        resume main
        new eager waits
        resume eager
        end eager 0
        resume main
        free eager
        end main 0
        free main""",
    "resumed": """
        new main resumes
        resume main
        new resumed holds
        resume resumed
        suspend resumed TIMER deadline
        wake resumed
        resume resumed
        end resumed 0
        free resumed
        end main 0
        free main""",
    "blocking": """
        new main calls
        resume main
        suspend main BLOCKING blocks
        wake main
        resume main
        end main 0
        free main""",
    "generator": """
        new generator yields
        resume generator
        suspend generator RESUME 0
        resume generator
        end generator 41
        free generator""",
    "chain": """
        new outer awaits
        resume outer
        new inner yields
        suspend outer CONTEXT inner
        resume inner
        suspend inner RESUME 0
        resume inner
        end inner 42
        resume outer
        free inner
        end outer 42
        free outer""",
    "refused": """
        new refused yields
        end refused -5
        free refused""",
    "abandoned": """
        new stubborn stays
        resume stubborn
        suspend stubborn RESUME 0
        resume stubborn
        suspend stubborn RESUME 0
        resume stubborn
        suspend stubborn RESUME 0
        end stubborn -108
        free stubborn""",
}


def output(argv, **more):
    return subprocess.run(
        argv, text=True, check=True, timeout=SECONDS, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env={**os.environ, "LC_ALL": "C"}, **more,
    ).stdout  # fmt: skip


def documented():
    """{probe: sizes of its arguments} of the manual."""
    with open(MAN, encoding="utf-8") as f:
        text = re.sub(r"\\f[A-Z]", "", f.read())
    found = {}
    for name, arguments in re.findall(r"^\.TP\n(coro_\w+)\((.*)\)$", text, re.M):
        types = [re.fullmatch(r"(.*?[ *])\w+", a)[1].strip() for a in arguments.split(", ")]
        found[name] = ["8" if t.endswith("*") else SIZES[t] for t in types]
    return found


def kinds():
    """{number: name} of what coroutines wait for."""
    with open(UAPI, encoding="utf-8") as f:
        return {int(number): name for name, number in re.findall(r"^\tCORO_AWAITS_(\w+) = (\d+),", f.read(), re.M)}


def holder(program):
    """The file with the library in it: the program or what it loads."""
    loaded = re.search(r"libcoro\.so\S* => (\S+)", output(["ldd", program]))
    return loaded[1] if loaded else program


def notes(path):
    """[(provider, probe, [sizes of its arguments])] of a file."""
    found = []
    for provider, name, arguments in re.findall(
        r"Provider: (.*)\n +Name: (.*)\n.*\n +Arguments: ?(.*)", output(["readelf", "--wide", "--notes", path])
    ):
        found.append((provider, name, re.findall(r"(-?\d+)@", arguments)))
    return found


def script(probes, what, told):
    """Commands for gdb that print a line at each probe."""
    lines = ["set breakpoint pending on", "set debuginfod enabled off", "set print thread-events off"]
    for name, sizes in probes.items():
        shown = [f"$_probe_arg{at}" for at in range(len(sizes))]
        formats = [FORMATS[size] for size in sizes]
        if name == "coro_new":
            formats[3], shown[3] = "%s", "(char *)$_probe_arg3"
        text, values = " ".join(["%d", *formats]), ", ".join(["$_probe_argc", *shown])
        lines += [f"break -probe-stap libcoro:{name}", "commands", "silent"]
        lines += [f'printf "@{name} {text}\\n", {values}', "continue", "end"]
    return "\n".join([*lines, f"run {what} >{told}"])


class Run:
    """One run of the program in gdb: what it told of itself, and what was seen."""

    def __init__(self, program, what, probes):
        self.probes = probes
        self.kinds = kinds()
        with tempfile.TemporaryDirectory() as scratch:
            told, commands = os.path.join(scratch, "told"), os.path.join(scratch, "commands")
            with open(commands, "w", encoding="utf-8") as f:
                f.write(script(probes, what, told))
            self.text = output(["gdb", "-q", "-nx", "-batch", "-x", commands, program])
            with open(told, encoding="utf-8") as f:
                self.learn(f.read())

    def learn(self, told):
        coros = [line.split()[1:] for line in told.splitlines() if line.startswith("coro ")]
        values = [line.split()[1:] for line in told.splitlines() if line.startswith("value ")]
        self.coros = {(pointer, number): name for name, pointer, number in coros}
        self.names = {number: name for name, number in values}
        self.names.update({number: name for name, _, number in coros})

    def event(self, probe, argc, pointer, number, *rest):
        """As it is expected; what is wrong is in it as it came."""
        who = self.coros.get((pointer, number), f"({pointer} {number})")
        rest = list(rest)
        if probe == "coro_new" and rest.pop() != who:
            who += " under another name"
        if probe == "coro_suspend":
            rest[0] = self.kinds[int(rest[0])]
        if int(argc) != len(self.probes[probe]):
            who += f" of {argc} arguments"
        return " ".join([probe[len("coro_") :], who, *(self.names.get(value, value) for value in rest)])

    def events(self):
        return [self.event(*line.split()) for line in re.findall(r"^@(.*)", self.text, re.M)]


def check_notes(program):
    """What is wrong with the notes, as lines."""
    wanted, wrong, seen = documented(), [], set()
    for provider, name, sizes in notes(holder(program)):
        seen.add(name)
        if provider != "libcoro" or sizes != wanted.get(name):
            wrong.append(f"{provider}:{name} has arguments {sizes}, and in the manual {wanted.get(name)}")
    return wrong + [f"{name} is in the manual only" for name in wanted.keys() - seen]


def check_run(program, what):
    """What is wrong with a run, as lines: all of it."""
    run = Run(program, what, documented())
    events, expected = run.events(), [line.strip() for line in EXPECTED[what].strip().splitlines()]
    return [] if events == expected else [*events, "---", *run.text.splitlines()[-10:]]


def cases(programs):
    """(name, what finds the faults)"""
    for program in programs:
        base = os.path.basename(program)
        yield f"{base}.notes_are_those_of_the_manual", lambda p=program: check_notes(p)
        for what in EXPECTED:
            yield f"{base}.{what}_is_seen_as_it_was", lambda p=program, w=what: check_run(p, w)


def main():
    todo = list(cases([os.path.abspath(program) for program in sys.argv[1:]]))
    print(f"TAP version 13\n1..{len(todo)}")
    failed = 0
    for number, (name, find) in enumerate(todo, 1):
        try:
            wrong = find()
        except (subprocess.SubprocessError, ValueError, KeyError, OSError, TypeError) as error:
            wrong = [repr(error)]
        failed += bool(wrong)
        print("".join(f"# {line}\n" for line in wrong), end="")
        print(f"{'not ok' if wrong else 'ok'} {number} {name}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
