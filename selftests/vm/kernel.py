# SPDX-License-Identifier: GPL-2.0
"""A kernel to test on: its image, the module built for it, and what the machine needs for it."""

import os

from commands import BUILD, TOP, from_cache, make

DEBUG = "-debug"
# Checks cost time. No more memory for them: kmemleak looks through all of it.
DEBUG_SLOWDOWN = 6
MEMORY = "1G"


def listed():
    """The names in .ci/kernels, the default first."""
    with open(os.path.join(TOP, ".ci", "kernels"), encoding="utf-8") as f:
        return [line.split()[0] for line in f if line.split("#")[0].strip()]


def pick(asked, debug):
    """Kernels for a stage: all of the kind, or what was asked for if it is of it."""
    if asked and "/" in asked:
        return [] if debug else [asked]
    names = [name for name in listed() if name.endswith(DEBUG) == debug]
    if asked:
        wanted = (asked, asked + DEBUG) if debug else (asked,)
        return [name for name in names if name in wanted]
    return names


class Kernel:
    """One of .ci/kernels, or the folder of a kernel that somebody built."""

    def __init__(self, name):
        self.name = os.path.basename(name)
        self.asked = name
        if "/" in name:
            self.headers = name
            self.image = os.path.join(name, "arch/x86/boot/bzImage")
        else:
            entry = from_cache("kernel", name)
            self.headers = os.path.join(entry, "headers")
            self.image = os.path.join(entry, "vmlinuz")
        self.debug = self.configured("CONFIG_KASAN")
        self.finds_leaks = self.configured("CONFIG_DEBUG_KMEMLEAK")
        self.slowdown = DEBUG_SLOWDOWN if self.debug else 1
        self.memory = MEMORY

    def configured(self, option):
        path = os.path.join(self.headers, "include/config/auto.conf")
        with open(path, encoding="utf-8") as f:
            return f"{option}=y\n" in f

    def module(self, handoff=True):
        """The path of coro.ko, after building it, with or without hand-off."""
        # DEBUG has had its say in the name.
        make("module", f"KERNEL={self.asked}", "DEBUG=", "NO_HANDOFF=" + ("" if handoff else "1"))
        folder = self.name if handoff else self.name + "-no-handoff"
        return os.path.join(BUILD, "module", folder, "coro.ko")
