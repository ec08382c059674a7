#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The key-value server of the examples, from outside, and what it leaves in its file.

usage: examples_kv_test.py DIRECTORY_WITH_THE_BUILT_EXAMPLES
"""
import http.client
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import threading

from examples_server import PATIENCE, Program, curl, read_all, run_cases, wrk

MOST = 1 << 20
CONNECTIONS = 64
WRITERS = 16
ANSWERS = 400


class Store:
    """A database in a directory of its own, and the server, if it runs."""

    def __init__(self, program, folder):
        self.program = program
        self.path = os.path.join(folder, "db")
        self.said = open(os.path.join(folder, "stderr"), "w+", encoding="utf-8")
        self.server = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        self.said.close()

    def start(self):
        # SIGXFSZ stays ignored: a file that may not grow is an error then, and no end.
        self.server = Program(self.program, "0", self.path, stderr=self.said, restore_signals=False)

    def stop(self):
        self.server.stop()

    def kill(self):
        self.server.kill()

    def client(self):
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)

    def ask(self, method, path, body=None, headers=None):
        """Status and body, on a connection of its own."""
        client = self.client()
        try:
            return ask(client, method, path, body, headers)
        finally:
            client.close()

    def errors(self):
        self.said.seek(0)
        return self.said.read()

    def is_whole(self):
        with sqlite3.connect(self.path) as db:
            found = db.execute("PRAGMA integrity_check").fetchall()
        db.close()
        assert found == [("ok",)], found


def ask(client, method, path, body=None, headers=None):
    client.request(method, path, body, headers or {})
    answer = client.getresponse()
    return answer.status, answer.read()


def new_store(folder):
    return Store(new_store.program, folder)


def status(*args):
    return curl("-o", "/dev/null", "-w", "%{http_code}", *args).decode()


def curl_meets_each_method_and_status(store):
    url = store.server.url("curl")
    assert status(url) == "404"
    assert status("-X", "DELETE", url) == "404"
    assert status("-X", "PUT", "--data-binary", "one", url) == "204"
    assert curl(url) == b"one"
    assert status("-X", "PUT", "--data-binary", "another", url) == "204"
    assert curl(url) == b"another"
    head = curl("-I", url).decode().lower()
    assert head.startswith("http/1.1 200 ") and "content-length: 7\r\n" in head, head
    assert status("-X", "DELETE", url) == "204"
    assert status("-I", url) == "404"
    assert status(url) == "404"


def other_methods_are_told_which_there_are(store):
    for method in ("POST", "PATCH", "OPTIONS"):
        answer = curl("-i", "-X", method, store.server.url("a")).decode()
        assert answer.startswith("HTTP/1.1 405 ") and "\r\nAllow: GET, HEAD, PUT, DELETE\r\n" in answer, answer
    assert status("-X", "put", store.server.url("a")) == "501"


def bodies_have_a_length_and_a_bound(store):
    chunked = {"Transfer-Encoding": "chunked"}
    assert store.ask("PUT", "/length", b"0\r\n\r\n", chunked)[0] == 411
    with store.server.connect() as sock:
        sock.sendall(b"PUT /length HTTP/1.1\r\nHost: h\r\n\r\n")
        assert read_all(sock).startswith(b"HTTP/1.1 411 ")
    assert store.ask("PUT", "/length", b"x" * (MOST + 1))[0] == 413
    assert store.ask("PUT", "/length", headers={"Content-Length": str(10**17)})[0] == 413
    assert store.ask("GET", "/length")[0] == 404
    with tempfile.NamedTemporaryFile() as file:
        file.write(os.urandom(MOST))
        file.flush()
        # So large a body curl announces, and waits to be told to go on.
        assert status("-T", file.name, store.server.url("length")) == "204"
        assert subprocess.run(
            ["cmp", "-", file.name], input=curl(store.server.url("length")), check=True, timeout=PATIENCE
        )  # fmt: skip


def who_expects_to_be_told_to_go_on_is_told(store):
    with store.server.connect() as sock:
        sock.sendall(b"PUT /on HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"on")
        assert sock.recv(12) == b"HTTP/1.1 204"
    assert store.ask("GET", "/on") == (200, b"on")


def values_are_any_bytes(store):
    client = store.client()
    for value in (b"", b"\0", bytes(range(256)) * 5, b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", os.urandom(16384),
                  os.urandom(16385), os.urandom(70001)):  # fmt: skip
        assert ask(client, "PUT", "/bytes", value) == (204, b"")
        assert ask(client, "GET", "/bytes") == (200, value)
    client.close()


def keys_are_decoded_or_refused(store):
    for one, same in (("/a%20b%2Fc%3f", "/%61 b/c%3F".replace(" ", "%20")), ("/%ff%fe%C3%A4", "/%FF%FE%c3%a4"),
                      ("/q?ignored", "/q"), ("/'%3B--", "/%27;--"), ("//", "/%2f"),
                      ("/" + "k" * 512, "/" + "%6b" * 512)):  # fmt: skip
        assert store.ask("PUT", one, one.encode())[0] == 204, one
        assert store.ask("GET", same) == (200, one.encode()), same
    for bad, want in (("/", 400), ("/?a", 400), ("/%", 400), ("/%4", 400), ("/%zz", 400), ("/a%00b", 400),
                      ("/" + "k" * 513, 414)):  # fmt: skip
        for method in ("GET", "PUT", "DELETE"):
            assert store.ask(method, bad, b"x" if method == "PUT" else None)[0] == want, (method, bad)


def connections_are_kept_and_requests_may_come_all_at_once(store):
    url = store.server.url("kept")
    args = ("-o", "/dev/null", "-w", "%{num_connects} ")
    assert curl("-X", "PUT", "-d", "x", *args, url, *args, url, *args, url) == b"1 0 0 "
    put = b"PUT /many HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
    get = b"GET /many HTTP/1.1\r\nHost: h\r\n%s\r\n"
    with store.server.connect() as sock:
        sock.sendall(put % 3 + b"one" + get % b"" + put % 5 + b"th")
        sock.sendall(b"ree" + get % b"Connection: close\r\n")
        answers = read_all(sock).split(b"HTTP/1.1 ")
    assert [a[:3] for a in answers] == [b"", b"204", b"200", b"204", b"200"], answers
    assert answers[2].endswith(b"\r\n\r\none") and answers[4].endswith(b"\r\n\r\nthree"), answers


def who_leaves_in_the_middle_of_a_body_writes_nothing(store):
    with store.server.connect() as sock:
        sock.sendall(b"PUT /half HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf")
    assert store.ask("GET", "/half")[0] == 404


def sixty_four_connections_see_only_their_own(store):
    wrong = []

    def work(who):
        client = store.client()
        for i in range(60):
            path, value = f"/of{who}-{i % 7}", f"{who} {i}".encode() * (i + 1)
            if ask(client, "PUT", path, value)[0] != 204 or ask(client, "GET", path) != (200, value):
                wrong.append((who, i))
            if i % 5 == 4 and [ask(client, m, path)[0] for m in ("DELETE", "DELETE", "GET")] != [204, 404, 404]:
                wrong.append((who, i, "gone"))
        client.close()

    threads = [threading.Thread(target=work, args=(who,)) for who in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:9]


def wrk_sees_no_error(store):
    assert store.ask("PUT", "/wrk", b"v" * 100)[0] == 204
    wrk(store.server.url("wrk"))
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("""
            local n = 0
            function request()
                n = n + 1
                if n % 4 > 0 then return wrk.format("GET", "/wrk") end
                return wrk.format("PUT", "/wrk", nil, "v" .. n)
            end""")
        script.flush()
        wrk("-s", script.name, store.server.url("wrk"))
    assert store.ask("GET", "/wrk")[1].startswith(b"v")


def values_outlive_the_server(store):
    assert store.ask("PUT", "/old", b"value")[0] == 204
    store.stop()
    assert not os.path.exists(store.path + "-wal"), "the journal was left"
    store.is_whole()
    store.start()
    assert store.ask("GET", "/old") == (200, b"value")


def what_was_answered_outlives_sigkill(store):
    answered, enough = [], threading.Semaphore(0)

    def work(who):
        client = store.client()
        try:
            for i in range(10**6):
                if ask(client, "PUT", f"/kill{who}-{i}", b"%d" % i * 20)[0] == 204:
                    answered.append((who, i))
                    enough.release()
        except (OSError, http.client.HTTPException):
            pass

    threads = [threading.Thread(target=work, args=(who,)) for who in range(WRITERS)]
    for thread in threads:
        thread.start()
    for _ in range(ANSWERS):
        assert enough.acquire(timeout=PATIENCE)
    store.kill()
    for thread in threads:
        thread.join()
    store.start()
    client = store.client()
    lost = [(w, i) for w, i in answered if ask(client, "GET", f"/kill{w}-{i}") != (200, b"%d" % i * 20)]
    client.close()
    assert not lost, f"{len(lost)} of {len(answered)} are lost"
    store.is_whole()


def a_database_that_others_hold_is_503_and_can_be_read(store):
    assert store.ask("PUT", "/held", b"before")[0] == 204
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    found = []
    writers = [threading.Thread(target=lambda: found.append(store.ask("PUT", "/held", b"after")[0]))
               for _ in range(3)]  # fmt: skip
    for writer in writers:
        writer.start()
    assert store.ask("GET", "/held") == (200, b"before")
    for writer in writers:
        writer.join()
    assert found == [503] * 3, found
    assert "locked; let the other process finish" in store.errors(), store.errors()
    other.execute("ROLLBACK")
    other.close()
    assert store.ask("PUT", "/held", b"after")[0] == 204
    assert store.ask("GET", "/held") == (200, b"after")


def batch(store, paths, value):
    """Statuses of PUTs that wait for one another, so that all but the first share their fate."""
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    clients = [store.client() for _ in paths]
    for client, path in zip(clients, paths):
        client.request("PUT", path, value)
    # What came before this has been read.
    assert store.ask("GET", "/small")[0] == 200
    other.execute("ROLLBACK")
    other.close()
    found = [client.getresponse().status for client in clients]
    for client in clients:
        client.close()
    return found


def a_disk_without_room_fails_writes_and_nothing_else(store):
    assert store.ask("PUT", "/small", b"before")[0] == 204
    pid, large = store.server.process.pid, [f"/large{i}" for i in range(8)]
    hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (65536, hard))
    found = batch(store, ["/small"] + large, os.urandom(200000))
    assert set(found) <= {500, 503}, found
    assert f"database {store.path}: " in store.errors(), store.errors()
    assert store.ask("GET", "/small") == (200, b"before")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert store.ask("PUT", "/small", b"after")[0] == 204
    assert store.ask("GET", "/small") == (200, b"after")
    assert [store.ask("GET", path)[0] for path in large] == [404] * len(large)


def damage_is_told(_):
    with tempfile.TemporaryDirectory() as folder, new_store(folder) as store:
        for i in range(50):
            store.ask("PUT", f"/{i}", os.urandom(1000))
        store.stop()
        with open(store.path, "r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * (os.path.getsize(store.path) - 4096))
        store.start()
        assert store.ask("GET", "/1")[0] == 500
        assert store.ask("PUT", "/1", b"x")[0] == 500
        assert "malformed; take another" in store.errors(), store.errors()
        store.stop()


def refused(*argv):
    """Exit code and message of a server that does not start."""
    done = subprocess.run([new_store.program, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=PATIENCE, check=False)  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def what_cannot_be_a_database_is_told(store):
    with tempfile.TemporaryDirectory() as folder:
        other = os.path.join(folder, "text")
        with open(other, "w", encoding="utf-8") as file:
            file.write("not a database\n" * 1000)
        for path, advice in ((os.path.join(folder, "none", "db"), "can it be written?"), (folder, "can it be written?"),
                             (other, "take another"), (":memory:", "name a file")):  # fmt: skip
            code, out, said = refused("0", path)
            assert (code, out) == (1, "") and path in said and advice in said, (code, out, said)
    code, _, said = refused(str(store.server.port), store.path)
    assert code == 1 and "Address already in use" in said, (code, said)


def arguments_are_explained(_):
    code, out, said = refused("--help")
    assert code == 0 and out.startswith("usage: kv_server [--help] PORT DATABASE\n") and not said, (code, out, said)
    for argv in ((), ("0",), ("0", "1", "2")):
        code, out, said = refused(*argv)
        assert code == 2 and not out and said.startswith("usage: "), (code, out, said)


def sigint_ends_it_with_clients_inside(store):
    idle = store.client()
    assert ask(idle, "PUT", "/last", b"x")[0] == 204
    stop = threading.Event()

    def work():
        client = store.client()
        try:
            while not stop.is_set():
                ask(client, "PUT", "/last", os.urandom(100))
        except (OSError, http.client.HTTPException):
            pass

    threads = [threading.Thread(target=work) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    store.stop()
    stop.set()
    for thread in threads:
        thread.join()
    idle.close()
    assert not os.path.exists(store.path + "-wal"), "the journal was left"
    store.is_whole()


CASES = (
    curl_meets_each_method_and_status,
    other_methods_are_told_which_there_are,
    bodies_have_a_length_and_a_bound,
    who_expects_to_be_told_to_go_on_is_told,
    values_are_any_bytes,
    keys_are_decoded_or_refused,
    connections_are_kept_and_requests_may_come_all_at_once,
    who_leaves_in_the_middle_of_a_body_writes_nothing,
    sixty_four_connections_see_only_their_own,
    wrk_sees_no_error,
    values_outlive_the_server,
    what_was_answered_outlives_sigkill,
    a_database_that_others_hold_is_503_and_can_be_read,
    a_disk_without_room_fails_writes_and_nothing_else,
    damage_is_told,
    what_cannot_be_a_database_is_told,
    arguments_are_explained,
    sigint_ends_it_with_clients_inside,
)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    new_store.program = os.path.join(sys.argv[1], "kv_server")
    with tempfile.TemporaryDirectory() as folder, new_store(folder) as store:
        run_cases(CASES, store)


if __name__ == "__main__":
    main()
