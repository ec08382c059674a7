# SPDX-License-Identifier: GPL-2.0
"""The rows of figure "wake": each way of waking a task beside the best that the kernel offers."""

import table

UNIT = "instructions per round trip"
# At most so much of the best peer that waits for a ring, and of waking one by one.
TARGET = 0.75
BATCH_TARGET = 0.25


class Way:
    """One way on one kernel, between processes or threads: a value for each boot."""

    def __init__(self, fields):
        _, self.kind, self.sort, self.waits, name, burst, _, self.error = fields
        self.name = name
        self.burst = int(burst)
        self.values = []

    def entry(self):
        kind = {"ours": "", "batch": ""}.get(self.sort, "peer: ")
        return table.Entry(kind + self.name, None, self.values)

    def median(self):
        return sum(self.values) / len(self.values)


def ways(boots):
    """What the boots said of each way, in the order of the program."""
    found = {}
    for said in boots:
        for fields in said:
            way = found.setdefault(tuple(fields[1:6]), Way(fields))
            if float(fields[6]):
                way.values.append(float(fields[6]))
    return list(found.values())


def best(candidates):
    return min((way for way in candidates if way.values), key=Way.median)


def trips(rows, figure, some):
    """Ours first, then the peers, each beside the best peer that waits as it does."""
    for waits, how in (("ring", "of a ring"), ("call", "by blocking calls")):
        alike = [way for way in some if way.waits == waits and way.sort != "batch"]
        able = [way for way in alike if way.values]
        least = best(way for way in able if way.sort == "peer")
        for way in able:
            rows.ratios(figure, f"{UNIT} {how}", way.entry(), [least.entry()])
        for way in alike:
            if not way.values:
                rows.fact(figure, f"{UNIT} {how}", way.entry(), f"not on this kernel: {way.error}")
    ours = best(way for way in some if way.sort == "ours" and way.waits == "ring")
    least = best(way for way in some if way.sort == "peer" and way.waits == "ring")
    ratio = ours.median() / least.median()
    text = f"the best of ours: {ratio:.3f} of the best peer of a ring, target {TARGET}"
    rows.fact(figure, f"{UNIT} of a ring", ours.entry(), text)


def batches(rows, figure, some):
    """Many wakes and one back, beside as many halves of a round trip."""
    batch = [way for way in some if way.sort == "batch" and way.values]
    singles = {way.name: way for way in batch if way.burst == 1}
    for way in batch:
        if way.burst == 1:
            continue
        one = [value * way.burst / 2 for value in singles[way.name].values]
        ours = table.Entry(f"{way.name}: {way.burst} in one call, one back", None, way.values)
        peer = table.Entry(f"{way.burst} single ones, target {BATCH_TARGET}", None, one)
        rows.ratios(figure, "instructions per batch", ours, [peer])


def add(rows, kernel, boots):
    """@boots: of each the fields of the program's lines."""
    found = ways(boots)
    for kind in ("processes", "threads"):
        some = [way for way in found if way.kind == kind]
        figure = f"wake-{kernel}-{kind}"
        trips(rows, figure, some)
        batches(rows, figure, some)
