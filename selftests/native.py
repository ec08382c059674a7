# SPDX-License-Identifier: GPL-2.0
"""One test program on this machine, with a time limit and nothing left behind."""

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
            left = end_group(child.pid, wait=child.poll() is not None)
            child.wait()
        out.seek(0)
        output = out.read().decode(errors="replace")
    if end == "exit" and code < 0:
        end, code = ("signal", -code)
    cases = ktap.judge(output, end, code)
    if left and end != "timeout":
        cases.append(ktap.Case("leaves no processes", "fail"))
    return cases, output, time.monotonic() - start


def end_group(group, wait):
    """Kills what is left of a process group; true if there was something."""
    deadline = time.monotonic() + (SETTLE_SEC if wait else 0)
    while alive(group):
        if time.monotonic() > deadline:
            os.killpg(group, signal.SIGKILL)
            return True
        time.sleep(0.01)
    return False


def alive(group):
    try:
        os.killpg(group, 0)
        return True
    except ProcessLookupError:
        return False
