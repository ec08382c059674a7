# SPDX-License-Identifier: GPL-2.0
"""Commands that build and that fetch; a failure is an exception that tells what was said."""

import fcntl
import functools
import os
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, "build")


class BuildError(Exception):
    """A build failed; the text says which and how."""


def command(argv, **env):
    """Runs a command to its end, one at a time in this tree; its output, or a
    BuildError."""
    with open(os.path.join(BUILD, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            argv, cwd=TOP, stdin=subprocess.DEVNULL, text=True, check=False,
            env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    if done.returncode:
        raise BuildError(" ".join(argv) + "\n" + "\n".join(done.stdout.splitlines()[-60:]))
    return done.stdout


def make(*targets):
    return command(["make", "-s", "-j2", "--no-print-directory", *targets])


@functools.lru_cache(maxsize=None)
def from_cache(*what):
    """The place in the cache. It may be minutes until it is there, so what
    .ci/cache says of its progress is not held back."""
    argv = [os.path.join(TOP, ".ci", "cache"), *what]
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, text=True, check=False, stdout=subprocess.PIPE
    )
    if done.returncode:
        raise BuildError(" ".join(argv) + " failed; what it said is above")
    return done.stdout.split()[-1]
