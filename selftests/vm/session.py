# SPDX-License-Identifier: GPL-2.0
"""A session of the test machine: the plan, the boot or boots, the verdict."""

import os
import secrets
import sys
import tempfile

import machine
import verdict
from image import Image

# Boots that may fail to reach init before that counts as no verdict.
TRIES = 3


class Job:
    """One program to run in the machine."""

    def __init__(self, name, argv, seconds, env=()):
        self.name = name
        self.argv = argv
        self.seconds = seconds
        self.env = env

    def line(self):
        return " ".join(["run", str(self.seconds), self.name, *self.env, *self.argv])


class Session:
    """Programs, files and a module that are put into one machine and run there."""

    def __init__(self, kernel, init, workdir, memory=None):
        self.kernel = kernel
        self.workdir = workdir
        self.memory = memory or kernel.memory
        self.image = Image()
        self.image.program("/init", init)
        self.image.busybox()
        self.jobs = []
        self.module = False
        self.extra = []
        self.follow = None
        self.tries = TRIES
        self.silence = None

    def add_module(self, handoff=True):
        """Builds the module for the kernel; it is loaded first and unloaded last."""
        self.module = True
        self.image.file("/coro.ko", self.kernel.module(handoff))

    def add_job(self, job, program=None):
        """Adds a job; program is the file on this side that its argv[0] is."""
        if program:
            self.image.program(job.argv[0], program)
        self.jobs.append(job)

    def plan(self, nonce):
        lines = ["nonce " + nonce]
        lines += ["insmod /coro.ko"] if self.module else []
        lines += self.extra
        lines += [job.line() for job in self.jobs]
        lines += ["rmmod coro"] if self.module else []
        lines += ["scan"] if self.kernel.finds_leaks else []
        return "\n".join(lines) + "\n"

    def run(self):
        """Boots and returns the programs that ended and the machine's own cases."""
        os.makedirs(self.workdir, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.workdir) as tmp:
            boot, nonce = self.boot(tmp)
            for name in os.listdir(tmp):
                if name.endswith(".log"):
                    os.replace(os.path.join(tmp, name), os.path.join(self.workdir, name))
        names = [job.name for job in self.jobs]
        return (
            verdict.programs(boot.port, nonce),
            verdict.machine_cases(boot, nonce, names, self.module, self.kernel.finds_leaks),
        )

    def boot(self, tmp):
        """Boots until init was reached; the last boot and its nonce."""
        initrd = os.path.join(tmp, "initrd.gz")
        longest = max([job.seconds for job in self.jobs], default=0)
        silence = self.silence or 60 * self.kernel.slowdown + longest
        for attempt in range(1, self.tries + 1):
            nonce = secrets.token_hex(8)
            self.image.data("/plan", self.plan(nonce))
            self.image.write(initrd)
            boot = machine.boot(
                self.kernel.image, initrd, tmp, nonce, silence, self.memory,
                self.follow and (lambda text: self.follow(text.replace(f"@{nonce} ", "@ "))),
            )  # fmt: skip
            if boot.end != "no-init" or attempt == self.tries:
                break
            print(f"vm: init was not reached, boot {attempt} of {self.tries}; again", file=sys.stderr)
        return boot, nonce
