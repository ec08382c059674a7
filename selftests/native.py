# SPDX-License-Identifier: GPL-2.0
"""One test program on this machine, with a time limit and nothing left behind."""

import contextlib
import ctypes
import errno
import os
import signal
import subprocess
import tempfile
import time

import ktap

SETTLE_SEC = 2
IO_URING_SETUP = 425  # number of the system call, the same on all architectures


def has_io_uring():
    """Whether this kernel, or the container around us, lets us have a ring."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(IO_URING_SETUP, 1, None)
    return ctypes.get_errno() not in (errno.ENOSYS, errno.EPERM)


def run(argv, seconds, env=None, cwd=None):
    """Runs a program in a session of its own; returns its cases, its output and
    the seconds it took."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd,
            env={**os.environ, **(env or {})}, start_new_session=True,
        )  # fmt: skip
        try:
            child.wait(seconds)
            end, code = ("exit", child.returncode)
        except subprocess.TimeoutExpired:
            end, code = ("timeout", 0)
        finally:
            left = end_session(child.pid, wait=child.poll() is not None)
            child.wait()
        out.seek(0)
        output = out.read().decode(errors="replace")
    if end == "exit" and code < 0:
        end, code = ("signal", -code)
    cases = ktap.judge(output, end, code)
    if left and end != "timeout":
        cases.append(ktap.Case("leaves no processes", "fail"))
    return cases, output, time.monotonic() - start


def end_session(session, wait):
    """Kills what is left of a session; true if there was something."""
    deadline = time.monotonic() + (SETTLE_SEC if wait else 0)
    killed = False
    while alive := members(session):
        if time.monotonic() > deadline:
            killed = True
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    return killed


def members(session):
    """Of whatever process group; who has ended and is not waited for is none."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        # Ended meanwhile, or not ours.
        with contextlib.suppress(OSError):
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                state, _, _, sid = file.read().rpartition(")")[2].split()[:4]
            if int(sid) == session and state not in "ZX":
                found.append(int(name))
    return found
