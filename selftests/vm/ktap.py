# SPDX-License-Identifier: GPL-2.0
"""KTAP: the cases that one test program reported."""

import re

RESULT = re.compile(r"^(ok|not ok)\b\s*(\d+)?\s*-?\s*(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)\s*(#.*)?$")
# Where kselftest's harness of 6.1 skips, the name is on this line only.
RUNNING = re.compile(r"^#\s+RUN\s+(\S+)")
DIRECTIVE = re.compile(r"#\s*(SKIP|XFAIL)\b\s*(.*)$", re.IGNORECASE)


class Case:
    """One case: outcome is pass, fail or skip; text is what was said about it."""

    def __init__(self, name, outcome, text=""):
        self.name = name
        self.outcome = outcome
        self.text = text


def case_of(match, running, said):
    good = match.group(1) == "ok"
    name = match.group(3)
    directive = DIRECTIVE.search(name)
    if directive:
        name = name[: directive.start()].strip()
    name = name or running or f"case {match.group(2) or '?'}"
    if directive and directive.group(1).upper() == "SKIP":
        return Case(name, "skip", directive.group(2).strip() or "no reason given")
    return Case(name, "pass" if good or directive else "fail", "\n".join(said))


def parse(output):
    """Cases of one program's output. What the plan promised and nobody reported
    is a failed case, and so is a program without a plan or without cases."""
    cases, said = [], []
    planned = None
    running = ""
    for line in output.splitlines():
        plan, result, run = PLAN.match(line), RESULT.match(line), RUNNING.match(line)
        if plan:
            planned = int(plan.group(1))
            if planned == 0 and "SKIP" in (plan.group(2) or "").upper():
                cases.append(Case("all", "skip", plan.group(2)))
        elif result:
            cases.append(case_of(result, running, said))
            running, said = "", []
        elif run:
            running, said = run.group(1), []
        elif line.strip():
            said.append(line)
    rest = "\n".join(said[-40:])
    if planned is None:
        cases.append(Case("plan", "fail", "no plan (1..N) in the output\n" + rest))
    elif planned == 0 and not cases:
        cases.append(Case("plan", "fail", "the plan has no case"))
    elif len([c for c in cases if c.name != "all"]) != planned and planned:
        where = f", in {running}" if running else ""
        text = f"{planned} cases planned, {len(cases)} reported{where}\n" + rest
        cases.append(Case("plan", "fail", text))
    return cases


def judge(output, end, code):
    """Cases of a program that ended by "exit" or "signal" with a code, or by
    "timeout". An end that its cases do not explain is a failed case."""
    cases = parse(output)
    failed = any(case.outcome == "fail" for case in cases)
    if end == "exit" and (code in (0, 2, 4) or failed):
        return cases
    name = end if end == "timeout" else f"{end} {code}"
    return [*cases, Case(name, "fail", "\n".join(output.splitlines()[-20:]))]
