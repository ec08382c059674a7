# SPDX-License-Identifier: GPL-2.0
"""The tree that is checked: its files, their kinds, its C without comments, the findings."""
import functools
import glob
import os
import re
import subprocess
import sys

_findings = 0
_EXTENSIONS = {"c": "c", "cc": "c", "cpp": "c", "h": "h", "hpp": "h", "S": "asm", "py": "py",
               "sh": "sh", "mk": "make", "map": "map", "lds": "map", "md": "md"}
_C_TOKEN = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)
_NOT_A_NAME = {"if", "void", "int", "long", "char", "sizeof", "return", "switch", "while", "for"}


def report(path, line, reason):
    """One finding."""
    global _findings
    _findings += 1
    print(f"{path}:{line}: {reason}")


def notice(path, line, reason):
    """Worth knowing, no failure."""
    print(f"{path}:{line}: notice: {reason}")


def done():
    """Ends the checker: 0 nothing found, 1 findings."""
    sys.exit(1 if _findings else 0)


def cannot(reason):
    """Ends the checker with 2: it could not look."""
    print(f"cannot check: {reason}")
    sys.exit(2)


def output(command, **kwargs):
    """Runs a command and returns what it printed to both outputs, and its exit code."""
    try:
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             encoding="utf-8", errors="replace", check=False, **kwargs)
    except FileNotFoundError:
        cannot(f"{command[0]} is missing: run .ci/install-packages as root")
    return run.stdout, run.returncode


@functools.lru_cache(maxsize=None)
def files():
    """Regular files, tracked or not, that are not ignored."""
    out, code = output(["git", "ls-files", "-coz", "--exclude-standard"])
    if code:
        cannot("git does not list this tree: " + out.strip())
    return sorted({f for f in out.split("\0") if os.path.isfile(f) and not os.path.islink(f)})


@functools.lru_cache(maxsize=None)
def read(path):
    """The text of a file."""
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


@functools.lru_cache(maxsize=None)
def kind(path):
    """c h asm py sh make map md man, or "" for data."""
    name = os.path.basename(path)
    if path.startswith("LICENSES/") or "\0" in read(path):
        return ""
    if name in ("Makefile", "Kbuild"):
        return "make"
    if re.search(r"\.[1-9]$", name):
        return "man"
    found = _EXTENSIONS.get(name.rpartition(".")[2]) if "." in name else None
    if found:
        return found
    shebang = re.match(r"#!.*?\b(python3?|(?:ba|da)?sh)\b", read(path))
    return ("py" if shebang[1].startswith("python") else "sh") if shebang else ""


def of_kind(*kinds, under=""):
    """Files of these kinds whose path starts with a prefix."""
    return [f for f in files() if f.startswith(under) and kind(f) in kinds]


def line_of(text, offset):
    """Number of the line that an offset lies in."""
    return text.count("\n", 0, offset) + 1


def _blank(match):
    token = match[0]
    if token[0] in "\"'":
        return token[0] + " " * (len(token) - 2) + token[-1]
    return re.sub(r"[^\n]", " ", token)


@functools.lru_cache(maxsize=None)
def code(path):
    """C text, comments and what strings hold replaced by blanks, so that offsets stay."""
    return _C_TOKEN.sub(_blank, read(path))


def comments(path):
    """(line, text) of each comment of a C file."""
    return [(line_of(read(path), m.start()), m[0]) for m in _C_TOKEN.finditer(read(path))
            if m[0][0] == "/"]


def declared_name(text):
    """The function that a declaration or the head of a definition names, or None."""
    for m in re.finditer(r"\b([A-Za-z_]\w*)\s*\(", text):
        if m[1] not in _NOT_A_NAME and not re.match(r"__[a-z]|[A-Z0-9_]+$", m[1]):
            return m[1]
    m = re.search(r"\b([A-Z]\w*)\s*\(", text)
    return m[1] if m else None


def functions(path):
    """(name, head, first line, last line) of each function, by the brace in column 0."""
    lines = code(path).split("\n")
    for at, line in enumerate(lines):
        if line.rstrip() != "{":
            continue
        first = at
        while first and not re.search(r"^\s*$|^#|[;}\\]\s*$", lines[first - 1]):
            first -= 1
        end = next((i for i in range(at, len(lines)) if lines[i].startswith("}")), at)
        head = " ".join(lines[first:at])
        yield declared_name(head), head, first + 1, end + 1


def declarations(path):
    """(name, text, line) of each function that a header declares or defines inline."""
    text = re.sub(r"^[ \t]*#(?:.*\\\n)*.*", lambda m: re.sub(r"[^\n]", " ", m[0]), code(path),
                  flags=re.M)
    text = re.sub(r'extern\s+"[^"]*"\s*\{', lambda m: " " * len(m[0]), text)
    depth = start = 0
    for at, char in enumerate(text):
        if char == "{":
            depth += 1
        elif char == "}":
            depth = max(depth - 1, 0)
        if depth or char not in ";}":
            continue
        chunk = text[start:at].partition("{")[0]
        name = declared_name(chunk)
        if name and not chunk.lstrip().startswith("typedef"):
            yield name, chunk, line_of(text, start + len(chunk) - len(chunk.lstrip()))
        start = at + 1


def public_headers():
    """Headers that users of the library include."""
    return of_kind("h", under="userlib/include/")


def exported_by_map(path="userlib/libcoro.map"):
    """{symbol: line} of the library's version script."""
    if not os.path.isfile(path):
        return {}
    text = code(path)
    names = {}
    for part in re.finditer(r"\bglobal\s*:(.*?)(?=\blocal\s*:|\})", text, re.S):
        for m in re.finditer(r"([^\s;]+)\s*;", part[1]):
            names[m[1]] = line_of(text, part.start(1) + m.start())
    return names


@functools.lru_cache(maxsize=None)
def linux_source():
    """Directory of the kernel's source that checkpatch.pl and kernel-doc come from."""
    found = os.environ.get("CORO_LINUX_SRC")
    if not found:
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        dirs = glob.glob(f"{cache}/coro/*source-*/scripts/checkpatch.pl")
        found = max(dirs, key=os.path.getmtime)[:-len("/scripts/checkpatch.pl")] if dirs else ""
    if not os.path.isfile(os.path.join(found, "scripts/checkpatch.pl")):
        cannot("no kernel source: run .ci/cache source 6.1 and set CORO_LINUX_SRC to what it prints")
    return os.path.abspath(found)
