# SPDX-License-Identifier: GPL-2.0
"""Figure "kv": two servers of values by key, each with a database of its own, under wrk in turns."""

import http.client
import os
import re
import subprocess
import tempfile

import table

HERE = os.path.dirname(os.path.abspath(__file__))
# Name, of a hundred requests how many are PUTs.
MIXES = (("get", 0), ("90/10", 10), ("put", 100))
SERVERS = (("libcoro", "kv_server", ""), ("threads", "kv_threads", "libsqlite3-dev"))
KEYS = 1000
CONNECTIONS = 64
ROUNDS = 7
SECONDS = 2
MICROSECONDS = {"us": 1, "ms": 1e3, "s": 1e6}


class Server:
    """One of them, with all keys in its database."""

    def __init__(self, program, database):
        self.process = subprocess.Popen([program, "0", database], stdout=subprocess.PIPE, text=True)
        said = self.process.stdout.readline()
        self.port = int(said.split()[-1])
        client = http.client.HTTPConnection("127.0.0.1", self.port)
        for i in range(1, KEYS + 1):
            client.request("PUT", f"/key{i}", b"v" * 100)
            client.getresponse().read()
        client.close()

    def stop(self):
        self.process.kill()
        self.process.wait()


def load(port, puts, limit):
    """Requests per second, and the median and the 99th percentile of their times in microseconds."""
    argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--timeout", "20s", "--latency",
            "-s", os.path.join(HERE, "kv.lua"), f"http://127.0.0.1:{port}", "--", str(puts)]  # fmt: skip
    said = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=limit, check=False).stdout  # fmt: skip
    rate = re.search(r"Requests/sec: +([\d.]+)", said)
    if not rate or re.search("Socket errors|Non-2xx", said):
        raise RuntimeError(f"wrk: {said[-2000:]}")
    times = re.findall(r"^ +(?:50|99)% +([\d.]+)(us|ms|s)$", said, re.M)
    return [float(rate[1]), *(float(value) * MICROSECONDS[unit] for value, unit in times)]


def measure(rows, build, limit):
    """Each round begins with another server."""
    with tempfile.TemporaryDirectory(dir=build) as folder:
        servers = []
        try:
            for _, program, _ in SERVERS:
                servers.append(Server(os.path.join(build, program), os.path.join(folder, program)))
            for mix, puts in MIXES:
                found = [[] for _ in SERVERS]
                for turn in range(ROUNDS * len(SERVERS)):
                    which = (turn + turn // len(SERVERS)) % len(SERVERS)
                    found[which].append(load(servers[which].port, puts, limit))
                for at, unit in enumerate(("requests per second", "us, half take less", "us, 99 % take less")):
                    ours, *peers = [
                        table.Entry(name, package, [values[at] for values in found[i]])
                        for i, (name, _, package) in enumerate(SERVERS)
                    ]
                    rows.ratios(f"kv-{mix}", unit, ours, peers)
        finally:
            for server in servers:
                server.stop()
