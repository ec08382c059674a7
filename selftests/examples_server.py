# SPDX-License-Identifier: GPL-2.0
"""What the tests of the examples share that serve on a port: the program, its clients, the cases."""
import re
import resource
import signal
import socket
import subprocess
import sys

PATIENCE = 120  # seconds, for anything at all


class Program:
    """A server that SIGINT ends; it is told to take a free port, and says which."""

    def __init__(self, *argv, **kwargs):
        # Started by a shell in the background it would ignore SIGINT.
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **kwargs)  # fmt: skip
        line = self.process.stdout.readline()
        self.port = int(re.fullmatch(r"listening on port (\d+)\n", line)[1])

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def url(self, path=""):
        return f"http://127.0.0.1:{self.port}/{path}"

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)
        assert self.process.returncode == 0, self.process.returncode

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def read_all(sock):
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


def curl(*args):
    done = subprocess.run(
        ["curl", "-sS", "-m", str(PATIENCE), *args], stdout=subprocess.PIPE, check=True, timeout=2 * PATIENCE,
    )  # fmt: skip
    return done.stdout


def wrk(*args):
    """What wrk says, with 64 connections for two seconds; there must be no error in it."""
    done = subprocess.run(
        ["wrk", "-t1", "-c64", "-d2s", "--timeout", "20s", *args],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, timeout=PATIENCE,
    )  # fmt: skip
    assert "Socket errors" not in done.stdout and "Non-2xx" not in done.stdout, done.stdout
    assert int(re.search(r"(\d+) requests in", done.stdout)[1]) > 0, done.stdout


def raise_limit_of_files():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def run_cases(cases, *args):
    """Calls each with the arguments, and says in TAP how that went. Ends the program."""
    print(f"TAP version 13\n1..{len(cases)}", flush=True)
    failed = 0
    for number, case in enumerate(cases, 1):
        try:
            case(*args)
            print(f"ok {number} {case.__name__}", flush=True)
        except Exception as error:
            failed += 1
            print("\n".join("# " + line for line in f"{type(error).__name__}: {error}".splitlines()))
            print(f"not ok {number} {case.__name__}", flush=True)
    sys.exit(failed > 0)
