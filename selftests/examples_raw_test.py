#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The example server as hostile clients see it: raw sockets, many of them.

usage: examples_raw_test.py DIRECTORY_WITH_THE_BUILT_EXAMPLES
"""
import os
import random
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

LIMIT_SEC = 3
CROWD = 1200
GET = b"GET /small HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET /small HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


class Server:
    """One http_server on a free port."""

    def __init__(self, program, root):
        self.process = subprocess.Popen(
            [program, "-p", "0", "-t", str(LIMIT_SEC), root],
            stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.port = int(re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", line)[1])

    def connect(self, receive_buffer=0):
        sock = socket.socket()
        sock.settimeout(30)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.connect(("127.0.0.1", self.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        out = self.process.communicate(timeout=60)[0]
        assert self.process.returncode == 0, self.process.returncode
        assert time.monotonic() - begun < 10, "ended late"
        return dict(line.split(" ", 1) for line in out.splitlines())


def read_all(sock):
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


def read_answer(sock):
    """One answer with its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        assert piece, f"closed after {data!r}"
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    size = int(re.search(rb"Content-Length: (\d+)", head)[1])
    while len(body) < size:
        piece = sock.recv(65536)
        assert piece, f"closed after {len(body)} of {size}"
        body += piece
    assert len(body) == size, "more than was asked for"
    return head, body


def wait_until(condition, what):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def every_split_of_a_request_is_the_same_request(server):
    for cut in range(1, len(LAST)):
        with server.connect() as sock:
            sock.sendall(LAST[:cut])
            time.sleep(0.001)
            sock.sendall(LAST[cut:])
            assert read_all(sock).endswith(b"\r\n\r\nsmall"), cut


def a_request_may_come_byte_by_byte(server):
    with server.connect() as sock:
        for byte in LAST:
            sock.sendall(bytes([byte]))
        assert read_all(sock).endswith(b"\r\n\r\nsmall")


def a_thousand_pipelined_requests_get_a_thousand_answers(server):
    with server.connect() as sock:
        sock.sendall(GET * 999 + LAST)
        assert read_all(sock).count(b"HTTP/1.1 200 OK\r\n") == 1000


def the_connection_survives_a_refusal_that_leaves_no_doubt(server):
    with server.connect() as sock:
        for method, path, want in (
                (b"GET", b"/none", b"404"), (b"POST", b"/small", b"405"),
                (b"BREW", b"/", b"501"), (b"GET", b"/%", b"400"),
                (b"GET", b"/small", b"200")):
            sock.sendall(method + b" " + path + b" HTTP/1.1\r\nHost: h\r\n\r\n")
            assert read_answer(sock)[0].startswith(b"HTTP/1.1 " + want), want


def the_answer_arrives_although_a_body_was_sent(server):
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n"
    for _ in range(20):
        with server.connect() as sock:
            sock.sendall(head + b"x" * 300000)
            assert read_all(sock).startswith(b"HTTP/1.1 405 ")


def resets_in_every_phase_do_no_harm(server):
    before = server.files()
    for request in (b"", GET[:9], GET, GET * 50, b"GET /big HTTP/1.0\r\n\r\n", LAST):
        for pause in (0, 0.002):
            for _ in range(20):
                sock = server.connect()
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                struct.pack("ii", 1, 0))
                sock.sendall(request)
                time.sleep(pause)
                sock.close()
    wait_until(lambda: server.files() <= before, "descriptors are left")


def random_bytes_do_no_harm(server):
    words = [b"GET", b"HEAD", b" ", b"/", b"/small", b"..", b"%2e", b"%", b"\0",
             b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\r\n\r\n", b"\n", b"\xff", b":",
             b"Host: h\r\n", b"Content-Length: 9\r\n", b"Connection: close\r\n", GET]
    chance = random.Random(1)
    for _ in range(300):
        with server.connect() as sock:
            sock.sendall(b"".join(chance.choices(words, k=chance.randrange(1, 30))))
            sock.shutdown(socket.SHUT_WR)
            try:
                answer = read_all(sock)
            except ConnectionResetError:
                continue
            assert not answer or answer.startswith(b"HTTP/1.1 "), answer


def a_slow_reader_gets_all(server):
    with server.connect(4096) as sock:
        sock.sendall(b"GET /middle HTTP/1.0\r\n\r\n")
        data = b""
        while piece := sock.recv(16384):
            data += piece
            time.sleep(0.01)
        assert data.endswith(b"\r\n\r\n" + b"m" * 1000000)


def a_reader_that_stalls_is_left_to_itself(server):
    before = server.files()
    with server.connect(4096) as sock:
        sock.sendall(b"GET /big HTTP/1.0\r\n\r\n")
        wait_until(lambda: server.files() > before, "not taken")
        wait_until(lambda: server.files() <= before, "still held")
        try:
            got = len(read_all(sock))
        except ConnectionResetError:
            got = 0
        assert got < 64 << 20


def a_request_has_one_deadline_however_it_trickles(server):
    with server.connect() as sock:
        begun = time.monotonic()
        sock.settimeout(LIMIT_SEC / 10)
        answer = b""
        while not answer:
            assert time.monotonic() - begun < 5 * LIMIT_SEC, "no deadline"
            sock.sendall(b"G")
            try:
                answer = sock.recv(4096)
            except TimeoutError:
                pass
        assert answer.startswith(b"HTTP/1.1 408 "), answer
        assert time.monotonic() - begun > LIMIT_SEC * 0.9


def an_idle_kept_connection_is_closed(server):
    with server.connect() as sock:
        sock.sendall(GET)
        read_answer(sock)
        begun = time.monotonic()
        assert sock.recv(1) == b""
        assert LIMIT_SEC * 0.9 < time.monotonic() - begun < 5 * LIMIT_SEC


def a_file_that_shrinks_ends_the_connection(server):
    path = os.path.join(server.root, "shrinks")
    with open(path, "wb") as file:
        file.truncate(64 << 20)
    with server.connect(4096) as sock:
        sock.sendall(b"GET /shrinks HTTP/1.1\r\nHost: h\r\n\r\n")
        sock.recv(4096)
        os.truncate(path, 1)
        try:
            assert len(read_all(sock)) < 64 << 20
        except ConnectionResetError:
            pass


def a_crowd_is_served_at_once(server):
    crowd = [server.connect() for _ in range(CROWD)]
    for _ in range(2):
        for sock in crowd:
            sock.sendall(GET)
        for sock in crowd:
            assert read_answer(sock)[1] == b"small"
    for sock in crowd:
        sock.close()


def sigterm_ends_a_crowd_and_shows_what_was(server):
    crowd = [server.connect() for _ in range(300)]
    crowd[0].sendall(b"GET /big HTTP/1.0\r\n\r\n")
    crowd[1].sendall(GET[:9])
    crowd[2].sendall(GET)
    read_answer(crowd[2])
    figures = server.stop()
    assert int(figures["contexts_peak"]) >= CROWD, figures
    assert int(figures["accept_errors"]) == 0, figures
    assert int(figures["stacks_resident_bytes"]) < CROWD * 32768, figures
    for sock in crowd:
        sock.close()


CASES = (
    every_split_of_a_request_is_the_same_request,
    a_request_may_come_byte_by_byte,
    a_thousand_pipelined_requests_get_a_thousand_answers,
    the_connection_survives_a_refusal_that_leaves_no_doubt,
    the_answer_arrives_although_a_body_was_sent,
    resets_in_every_phase_do_no_harm,
    random_bytes_do_no_harm,
    a_slow_reader_gets_all,
    a_reader_that_stalls_is_left_to_itself,
    a_request_has_one_deadline_however_it_trickles,
    an_idle_kept_connection_is_closed,
    a_file_that_shrinks_ends_the_connection,
    a_crowd_is_served_at_once,
    sigterm_ends_a_crowd_and_shows_what_was,
)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    print(f"TAP version 13\n1..{len(CASES)}", flush=True)
    failed = 0
    with tempfile.TemporaryDirectory() as root:
        for name, size in ("small", 0), ("middle", 1000000), ("big", 64 << 20):
            with open(os.path.join(root, name), "wb") as file:
                file.write(name[:1].encode() * size if size else b"small")
        server = Server(os.path.join(sys.argv[1], "http_server"), root)
        server.root = root
        try:
            for number, case in enumerate(CASES, 1):
                try:
                    case(server)
                    print(f"ok {number} {case.__name__}", flush=True)
                except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
                    failed += 1
                    print(f"# {type(error).__name__}: {error}")
                    print(f"not ok {number} {case.__name__}", flush=True)
        finally:
            if server.process.poll() is None:
                server.process.kill()
                server.process.wait()
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
