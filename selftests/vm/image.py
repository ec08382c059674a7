# SPDX-License-Identifier: GPL-2.0
"""The initramfs: files are added by name, the archive is written at once."""

import gzip
import os
import stat
import subprocess
import sys


# Run by an interpreter: prints itself, and the file of each module that it has
# when a script was imported; what it is given is not run.
MODULES_OF = """
import runpy, sys
runpy.run_path(sys.argv[1], run_name="imported")
print(sys._base_executable)
for module in list(sys.modules.values()):
    path = getattr(module, "__file__", None)
    if path and path != sys.argv[1]:
        print(path)
"""


class Image:
    """A cpio archive in the making; needs no root, device nodes included."""

    def __init__(self):
        self.entries = {}
        for path in ("dev", "proc", "sys", "tmp", "root"):
            self.directory(path)
        self.entries["dev/console"] = (stat.S_IFCHR | 0o600, b"", (5, 1))

    def directory(self, path):
        path = path.strip("/")
        if not path or path in self.entries:
            return
        self.directory(os.path.dirname(path))
        self.entries[path] = (stat.S_IFDIR | 0o755, b"", (0, 0))

    def data(self, path, content, mode=0o644):
        self.directory(os.path.dirname(path))
        if isinstance(content, str):
            content = content.encode()
        self.entries[path.strip("/")] = (stat.S_IFREG | mode, content, (0, 0))

    def link(self, path, target):
        self.directory(os.path.dirname(path))
        self.entries[path.strip("/")] = (stat.S_IFLNK | 0o777, target.encode(), (0, 0))

    def file(self, path, source):
        with open(source, "rb") as f:
            self.data(path, f.read(), stat.S_IMODE(os.stat(source).st_mode))

    def program(self, path, source):
        """A program without its debug information, and the libraries it needs."""
        stripped = subprocess.run(
            ["strip", "-o", "/dev/stdout", source], capture_output=True, check=False
        )
        with open(source, "rb") as f:
            content = f.read()
        if stripped.returncode == 0 and stripped.stdout.startswith(b"\x7fELF"):
            content = stripped.stdout
        self.data(path, content, 0o755)
        libraries = subprocess.run(["ldd", source], capture_output=True, text=True, check=False)
        for word in libraries.stdout.split():
            if word.startswith("/") and word.strip("/") not in self.entries:
                self.file(word, os.path.realpath(word))

    def python(self, script):
        """The interpreter of this program, with the modules that a script imports
        and nothing else, all where they are on this side; its path there."""
        seen = subprocess.run(
            [sys.executable, "-B", "-I", "-X", "utf8", "-c", MODULES_OF, script],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        interpreter, *files = seen.stdout.splitlines()
        self.program(interpreter, interpreter)
        for path in files:
            if path.endswith(".so"):
                self.program(path, path)
            else:
                self.file(path, path)
        return interpreter

    def busybox(self, source="/bin/busybox"):
        self.file("/bin/busybox", source)
        applets = subprocess.run([source, "--list"], capture_output=True, text=True, check=True)
        for name in applets.stdout.split():
            if "bin/" + name not in self.entries:
                self.link("/bin/" + name, "busybox")

    def write(self, path):
        with gzip.open(path, "wb", compresslevel=1) as out:
            for ino, (name, (mode, content, device)) in enumerate(self.entries.items(), 1):
                out.write(record(name, mode, content, device, ino))
            out.write(record("TRAILER!!!", 0, b"", (0, 0), 0))


def record(name, mode, content, device, ino):
    """One entry in the "newc" form: header, name, content, each padded to 4."""
    name = name.encode() + b"\0"
    fields = (ino, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return pad(head) + pad(content)


def pad(data):
    return data + b"\0" * (-len(data) % 4)
