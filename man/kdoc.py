# SPDX-License-Identifier: MIT
"""The kernel-doc comments of the public headers, taken apart.

The kernel's own script checks the form (.ci/lint/kernel-doc); this reads what it
has accepted, and so needs nothing of the kernel to be there.
"""

import glob
import os
import re

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INCLUDE = os.path.join(TOP, "userlib", "include")
COMMENT = re.compile(r"^/\*\*[ \n].*?\*/\n", re.S | re.M)
SECTION = re.compile(r"(Context|Return|Description):\s*(.*)")


class Doc:
    """One documented function, macro or structure.

    parameters and returns are lists of (what, text); body is a list of
    ("text" | "code" | "example", text) in their order.
    """

    def __init__(self, header, line, name, kind, summary):
        self.header = header
        self.line = line
        self.name = name
        self.kind = kind
        self.summary = summary
        self.declaration = ""
        self.parameters = []
        self.body = []
        self.context = ""
        self.returns_text = ""
        self.returns = []

    def texts(self):
        """All prose of it."""
        yield from (text for _, text in self.parameters + self.returns)
        yield from (text for kind, text in self.body if kind == "text")
        yield self.context
        yield self.returns_text

    def examples(self):
        return [text for kind, text in self.body if kind == "example"]


def headers(include=INCLUDE):
    return sorted(glob.glob(os.path.join(include, "coro", "*.h")))


def undecorated(comment):
    """Lines of a comment without its frame."""
    lines = comment.strip()[len("/**") : -len("*/")].split("\n")
    return [re.sub(r"^ \* ?", "", line).rstrip() for line in lines]


def declaration(text, at, kind):
    """What follows a comment, up to its semicolon."""
    depth = 0
    for end in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if text[end] == ";" and not depth:
            return text[at : end + 1]
    return ""


def blocks(lines):
    """Groups of lines between empty ones; code keeps the empty ones inside it."""
    group = []
    for line in lines:
        if line or (group and group[-1][:1] in ("\t", "") and group[0][:1] == "\t"):
            group.append(line)
        elif group:
            yield group
            group = []
        if group and group[0][:1] == "\t" and line and line[0] != "\t":
            yield group[:-1]
            group = [line]
    if group:
        yield group


def outdented(group):
    while group and not group[-1]:
        del group[-1]
    return "\n".join(line[1:] if line.startswith("\t") else line for line in group)


def take_parameters(doc, lines):
    """Those before the first empty line; returns the rest."""
    while lines and lines[0]:
        line = lines.pop(0)
        found = re.match(r"@(\w+|\.\.\.):\s*(.*)", line)
        if found:
            doc.parameters.append((found[1], found[2]))
        elif doc.parameters:
            name, text = doc.parameters[-1]
            doc.parameters[-1] = (name, f"{text} {line.strip()}")
        else:
            doc.summary += " " + line.strip()
    return lines


def take_returns(doc, lines):
    for line in lines:
        found = re.match(r"\* (.*?)\s+- (.*)", line)
        if found:
            doc.returns.append((found[1], found[2]))
        elif doc.returns:
            what, text = doc.returns[-1]
            doc.returns[-1] = (what, f"{text} {line.strip()}")
        else:
            doc.returns_text = f"{doc.returns_text} {line.strip()}".strip()


def take_body(doc, lines):
    example = False
    for group in blocks(lines):
        starts = [n for n, line in enumerate(group) if SECTION.match(line)]
        for at, end in zip([0, *starts], [*starts, len(group)]):
            part = group[at:end]
            if not part:
                continue
            found = SECTION.match(part[0])
            if found and found[1] == "Return":
                take_returns(doc, [found[2], *part[1:]] if found[2] else part[1:])
            elif found and found[1] == "Context":
                doc.context = " ".join([found[2], *(line.strip() for line in part[1:])])
            elif part[0].startswith("\t"):
                doc.body.append(("example" if example else "code", outdented(part)))
                example = False
            elif part == ["Example::"]:
                example = True
            else:
                text = " ".join([found[2] if found else part[0], *part[1:]])
                doc.body.append(("text", text))


def parse(path):
    """The documented functions and structures of a header, in their order."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for comment in COMMENT.finditer(text):
        lines = undecorated(comment[0])
        while lines and not lines[0]:
            del lines[0]
        found = re.match(r"(?:(struct) )?(\w+)(\(\))? - (.*)", lines[0])
        if not found or not (found[1] or found[3]):
            continue
        line = text.count("\n", 0, comment.start()) + 1
        kind = "macro" if found[2].isupper() else "function"
        doc = Doc(path, line, found[2], found[1] or kind, found[4])
        doc.declaration = declaration(text, comment.end(), doc.kind)
        take_body(doc, take_parameters(doc, lines[1:]))
        yield doc


def loose_examples(path):
    """Those in comments that document no function: (line, text)."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for comment in re.finditer(r"^/\*\n.*?\*/\n", text, re.S | re.M):
        doc = Doc(path, text.count("\n", 0, comment.start()) + 1, "", "", "")
        take_body(doc, undecorated(comment[0].replace("/*", "/**", 1)))
        yield from ((doc.line, example) for example in doc.examples())


def all_docs(include=INCLUDE):
    return [doc for path in headers(include) for doc in parse(path)]
