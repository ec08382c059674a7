#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The proxy and the chat server of the examples, from outside: curl through one, a crowd in the other.

usage: examples_net_test.py DIRECTORY_WITH_THE_BUILT_EXAMPLES
"""
import os
import re
import selectors
import socket
import sys
import tempfile
import threading

from examples_server import PATIENCE, Program, curl, raise_limit_of_files, read_all, run_cases

MEMBERS = 1000
TRANSFERS = 10


class Origin:
    """A server behind the proxy: gives each connection to a function, and closes it."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.serve = serve
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            sock, _ = self.listener.accept()
            with sock:
                sock.settimeout(PATIENCE)
                self.serve(sock)


def read_head(sock, most=65536):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(most)
        assert piece, data
        data += piece
    return data


BODY = os.urandom(3000001)


def give_body(sock):
    head = read_head(sock)
    give_body.seen = head
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY)


def through(proxy):
    return "-x", f"http://127.0.0.1:{proxy.port}"


def curl_gets_what_the_server_gives(proxy, _):
    origin = Origin(give_body)
    assert curl(*through(proxy), f"http://127.0.0.1:{origin.port}/a/b?c") == BODY
    assert give_body.seen.startswith(b"GET /a/b?c HTTP/1.1\r\n"), give_body.seen
    assert b"Proxy-" not in give_body.seen, give_body.seen


def curl_gets_it_through_a_tunnel(proxy, _):
    origin = Origin(give_body)
    assert curl("-p", *through(proxy), f"http://127.0.0.1:{origin.port}/") == BODY


def curl_sends_a_body(proxy, _):
    def swap(sock):
        head, _, data = read_head(sock).partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        while len(data) < length:
            data += sock.recv(65536)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + data[::-1])

    origin = Origin(swap)
    with tempfile.NamedTemporaryFile() as file:
        file.write(BODY)
        file.flush()
        got = curl(*through(proxy), "-H", "Expect:", "-T", file.name, f"http://127.0.0.1:{origin.port}/")
    assert got == BODY[::-1]


def tunnel(proxy, port):
    sock = proxy.connect()
    sock.sendall(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % port)
    # What the server says first may come with it: not a byte of that.
    assert read_head(sock, 1).startswith(b"HTTP/1.1 200 ")
    return sock


def end_of_one_direction_leaves_the_other_open(proxy, _):
    origin = Origin(lambda sock: sock.sendall(b"all: " + read_all(sock)))
    with tunnel(proxy, origin.port) as sock:
        sock.sendall(b"question")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"all: question"


def pipes(process):
    """Those that it holds besides the one to us."""
    found = set()
    for name in os.listdir(f"/proc/{process.pid}/fd"):
        try:
            found.add(os.readlink(f"/proc/{process.pid}/fd/{name}"))
        except FileNotFoundError:
            pass
    return {name for name in found if name.startswith("pipe:")} - {os.readlink(f"/proc/{process.pid}/fd/1")}


def bulk_stays_in_the_kernel(proxy, _):
    splices = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 7)
    seen = set()

    def read_body(sock):
        data = b""
        while len(data) < len(BODY):
            data += sock.recv(65536)
            seen.update(pipes(proxy.process))
        return data

    def swap(sock):
        for _ in range(TRANSFERS):
            sock.sendall(read_body(sock)[::-1])

    origin = Origin(swap)
    with tunnel(proxy, origin.port) as sock:
        # How TCP cuts it is its own affair: one of them all comes in large pieces.
        for _ in range(TRANSFERS):
            sock.sendall(BODY)
            assert read_body(sock) == BODY[::-1]
    assert bool(seen) == splices, seen


def server_may_end_its_direction_first(proxy, _):
    heard = []

    def speak_first(sock):
        sock.sendall(b"greeting")
        sock.shutdown(socket.SHUT_WR)
        heard.append(read_all(sock))
        done.set()

    done = threading.Event()
    origin = Origin(speak_first)
    with tunnel(proxy, origin.port) as sock:
        assert read_all(sock) == b"greeting"
        sock.sendall(b"answer")
        sock.shutdown(socket.SHUT_WR)
        assert done.wait(PATIENCE) and heard == [b"answer"], heard


def status(proxy, request):
    with proxy.connect() as sock:
        sock.sendall(request)
        sock.shutdown(socket.SHUT_WR)
        return read_all(sock).split(b"\r\n")[0].decode()


def what_cannot_be_done_is_told(proxy, _):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert status(proxy, b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % port) == "HTTP/1.1 502 Bad Gateway"
    for nonsense in (b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET http:///x HTTP/1.1\r\n\r\n",
                     b"CONNECT [::1 HTTP/1.1\r\n\r\n", b"GET " + b"x" * 9000 + b"\r\n\r\n"):  # fmt: skip
        assert status(proxy, nonsense) == "HTTP/1.1 400 Bad Request", nonsense
    assert status(proxy, b"") == ""


def many_tunnels_at_once(proxy, _):
    origin = Origin(lambda sock: sock.sendall(read_all(sock)))
    socks = [proxy.connect() for _ in range(200)]
    for i, sock in enumerate(socks):
        sock.sendall(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n%d" % (origin.port, i))
        sock.shutdown(socket.SHUT_WR)
    for i, sock in enumerate(socks):
        assert read_all(sock).endswith(b"\r\n\r\n%d" % i)
        sock.close()


class Member:
    """One who talks: what came and was not looked at."""

    def __init__(self, chat, name):
        self.sock = chat.connect()
        self.data = b""
        self.sock.sendall(name.encode() + b"\n")

    def until(self, line):
        while line not in self.data:
            piece = self.sock.recv(65536)
            assert piece, self.data[-200:]
            self.data += piece
        before, _, self.data = self.data.partition(line)
        return before


def those_who_are_there_hear_each_other(_, chat):
    ann, bob = Member(chat, "ann"), None
    ann.until(b"* ann is here\n")
    bob = Member(chat, "bob\r")
    ann.until(b"* bob is here\n")
    bob.sock.sendall(b"hel")
    bob.sock.sendall(b"lo\r\n\n")
    ann.until(b"bob: hello\nbob: \n")
    ann.sock.sendall(b"/quit\n")
    bob.until(b"* ann is gone\n")
    assert read_all(ann.sock) == b""
    bob.sock.close()


def who_does_not_read_is_put_out(_, chat):
    deaf, loud = Member(chat, "deaf"), Member(chat, "loud")
    loud.until(b"* loud is here\n")
    line = b"x" * 8000 + b"\n"
    seen = b""
    while b"* deaf is gone\n" not in seen:
        loud.sock.sendall(line)
        seen = loud.until(b"loud: " + line)
    loud.sock.close()
    deaf.sock.close()


def a_thousand_members_hear_every_line(_, chat):
    crowd = [Member(chat, f"m{i}") for i in range(MEMBERS)]
    crowd[0].until(b"* m%d is here\n" % (MEMBERS - 1))
    for member in crowd[:10]:
        member.sock.sendall(b"one for all\n")
    picker = selectors.DefaultSelector()
    missing = {}
    for member in crowd:
        picker.register(member.sock, selectors.EVENT_READ, member)
        missing[member] = 10 - member.data.count(b": one for all\n")
        member.data = member.data[-64:]
    left = sum(n > 0 for n in missing.values())
    while left:
        ready = picker.select(PATIENCE)
        assert ready, f"{left} members have not heard all"
        for key, _ in ready:
            member = key.data
            piece = member.sock.recv(1 << 20)
            assert piece, "a member was put out"
            whole, _, member.data = (member.data + piece).rpartition(b"\n")
            heard = (whole + b"\n").count(b": one for all\n")
            left -= 0 < missing[member] <= heard
            missing[member] -= heard
    picker.close()
    assert not any(missing.values())
    for member in crowd:
        member.sock.close()


def sigint_ends_them_with_members_inside(proxy, chat):
    inside = Member(chat, "last")
    inside.until(b"* last is here\n")
    origin = Origin(read_all)
    open_way = tunnel(proxy, origin.port)
    proxy.stop()
    chat.stop()
    assert read_all(open_way) == b""
    inside.sock.close()


CASES = (
    curl_gets_what_the_server_gives,
    curl_gets_it_through_a_tunnel,
    curl_sends_a_body,
    end_of_one_direction_leaves_the_other_open,
    bulk_stays_in_the_kernel,
    server_may_end_its_direction_first,
    what_cannot_be_done_is_told,
    many_tunnels_at_once,
    those_who_are_there_hear_each_other,
    who_does_not_read_is_put_out,
    a_thousand_members_hear_every_line,
    sigint_ends_them_with_members_inside,
)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    raise_limit_of_files()
    programs = [Program(os.path.join(sys.argv[1], name), "0") for name in ("http_proxy", "chat_server")]
    try:
        run_cases(CASES, *programs)
    finally:
        for program in programs:
            program.kill()


if __name__ == "__main__":
    main()
