# SPDX-License-Identifier: GPL-2.0
"""The table: what was measured, against whom, the ratios with their spread, and where."""

import os
import platform
import statistics
import subprocess

HEAD = ("figure", "unit", "ours", "value", "peer", "value", "ours/peer: min", "median", "max")
PACKAGES = (
    "gcc", "libc6", "libboost-context1.74-dev", "liburing-dev", "libuv1-dev", "valgrind",
    "qemu-system-x86", "libsqlite3-0", "wrk",
)  # fmt: skip


def said(argv):
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True, check=False)  # fmt: skip
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def version(package):
    """As the system's package database has it."""
    return said(["dpkg-query", "-W", "-f", "${Version}", package]) or "not installed"


class Entry:
    """One contender: a value for each round, and the Debian package that it is from;
    no package: ours."""

    def __init__(self, name, package, values):
        self.name = name
        self.package = package
        self.values = values

    def title(self):
        return f"{self.name} ({version(self.package)})" if self.package else self.name

    def value(self):
        return number(statistics.median(self.values)) if self.values else "-"


def number(value):
    return f"{value:,.2f}" if value < 1000 else f"{value:,.0f}"


class Table:
    """Rows in the order in which they came."""

    def __init__(self, build):
        self.build = build
        self.rows = []

    def ratios(self, figure, unit, ours, peers):
        """A row for each peer. Rounds are compared one by one."""
        if not peers:
            self.rows.append((figure, unit, ours.title(), ours.value(), "", "", "", "", ""))
        for peer in peers:
            found = [a / b for a, b in zip(ours.values, peer.values) if b]
            spread = [min(found), statistics.median(found), max(found)] if found else []
            spread = [f"{r:.3f}" for r in spread] or ["", "", ""]
            if len(found) == 1:
                spread = ["", spread[1], ""]
            self.rows.append(
                (figure, unit, ours.title(), ours.value(), peer.title(), peer.value(), *spread)
            )

    def fact(self, figure, unit, entry, text):
        """A row without a peer."""
        self.rows.append((figure, unit, entry.title(), entry.value(), text, "", "", "", ""))

    def text(self):
        widths = [max(len(row[i]) for row in [HEAD, *self.rows]) for i in range(len(HEAD))]
        lines = []
        for row in [HEAD, tuple("-" * w for w in widths), *self.rows]:
            cells = [
                cell.rjust(width) if i in (3, 5, 6, 7, 8) else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(row, widths))
            ]
            lines.append("  ".join(cells).rstrip())
        return "\n".join([*lines, "", *environment(self.build), ""])


def first_line(path, key):
    with open(path, encoding="utf-8") as f:
        return next((line.split(":", 1)[1].strip() for line in f if line.startswith(key)), "")


def setting(path):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read().strip()
    except OSError:
        return "not there"


def environment(build):
    """What the figures depend on."""
    flags = setting(os.path.join(build, ".flags"))
    load = " ".join(f"{x:.2f}" for x in os.getloadavg())
    return [
        f"kernel        {platform.release()} {platform.machine()}",
        f"processor     {first_line('/proc/cpuinfo', 'model name')}, {os.cpu_count()} of them",
        f"load average  {load} (at the end)",
        f"max_map_count {setting('/proc/sys/vm/max_map_count')}",
        f"compiler      {said(['gcc', '--version']).splitlines()[0]}",
        f"flags         {flags}",
        f"packages      {', '.join(f'{p} {version(p)}' for p in PACKAGES)}",
        "less is better, but for echoes, requests and coroutines that fit",
    ]
