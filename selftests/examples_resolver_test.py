#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The resolver of the examples as a server: curl and wrk ask it for names.

usage: examples_resolver_test.py DIRECTORY_WITH_THE_BUILT_EXAMPLES
"""
import os
import socket
import subprocess
import sys
import threading

from examples_server import PATIENCE, Program, curl, run_cases, wrk


def local():
    """What this machine says of itself."""
    return sorted({found[4][0] for found in socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)})


def names_give_their_addresses_as_lines(server):
    assert sorted(curl(server.url("localhost")).decode().splitlines()) == local()


def addresses_give_themselves(server):
    assert curl(server.url("127.0.0.1")) == b"127.0.0.1\n"
    assert curl(server.url("%3A%3a1")) == b"::1\n"
    head = curl("-I", server.url("127.0.0.1")).decode()
    assert head.startswith("HTTP/1.1 200 ") and "Content-Length: 10\r\n" in head, head


def what_is_no_name_is_404(server):
    # None that a name server would be asked for: there may be none.
    for name in ("a..b", "x" * 300, ""):
        answer = curl("-i", server.url(name)).decode()
        assert answer.startswith("HTTP/1.1 404 "), (name, answer)


def other_methods_are_told_which_there_are(server):
    answer = curl("-i", "-d", "x", server.url("localhost")).decode()
    assert answer.startswith("HTTP/1.1 405 ") and "\r\nAllow: GET, HEAD\r\n" in answer, answer


def clients_do_not_get_the_answers_of_others(server):
    wrong = []

    def work(who):
        names = [f"127.{who}.0.{i}" for i in range(1, 21)]
        said = curl(*(server.url(name) for name in names)).decode().split()
        if said != names:
            wrong.append((names, said))

    threads = [threading.Thread(target=work, args=(who,)) for who in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]


def wrk_sees_no_error(server):
    wrk(server.url("localhost"))
    wrk(server.url("127.0.0.1"))


def arguments_are_explained(_):
    for argv, code in (("--serve",), 2), (("--serve", "0", "x"), 2), (("--help",), 0):
        done = subprocess.run(
            [arguments_are_explained.program, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        said = done.stderr if code else done.stdout
        assert done.returncode == code and "resolver --serve PORT" in said, (argv, done)


def sigint_ends_it(server):
    server.stop()


CASES = (
    names_give_their_addresses_as_lines,
    addresses_give_themselves,
    what_is_no_name_is_404,
    other_methods_are_told_which_there_are,
    clients_do_not_get_the_answers_of_others,
    wrk_sees_no_error,
    arguments_are_explained,
    sigint_ends_it,
)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    arguments_are_explained.program = os.path.join(sys.argv[1], "resolver")
    server = Program(arguments_are_explained.program, "--serve", "0")
    try:
        run_cases(CASES, server)
    finally:
        server.kill()


if __name__ == "__main__":
    main()
