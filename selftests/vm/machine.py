# SPDX-License-Identifier: GPL-2.0
"""The virtual machine: one boot of a kernel with an initramfs, and what it said."""

import ctypes
import os
import signal
import subprocess
import time

BOOT_LIMIT = 120  # seconds to get to init; some 3 on an idle host
COMMAND_LINE = "console=ttyS0 loglevel=7 panic=-1 reboot=t"


class Boot:
    """What one boot left: two logs, and how it ended.

    end is "done" (init reported so), "no-init" (init never reported), "early"
    (the machine went down before init was done) or "stuck" (it fell silent).
    """

    def __init__(self, console, port, end):
        self.console = console
        self.port = port
        self.end = end


def die_with_parent():
    """In the child, before exec: no machine outlives the one who started it."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read().decode(errors="replace").replace("\r", "")
    except FileNotFoundError:
        return ""


def qemu_command(kernel, initrd, memory, console, port):
    # Emulated even where there is KVM: the same machine everywhere. With cx16
    # newer kernels' slab allocator does not boot reliably on QEMU 7.2.
    return [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max,-cx16",
        "-smp", "2", "-m", memory,
        "-display", "none", "-monitor", "none", "-nodefaults", "-no-reboot",
        "-serial", "file:" + console.replace(",", ",,"),
        "-serial", "file:" + port.replace(",", ",,"),
        "-kernel", kernel, "-initrd", initrd, "-append", COMMAND_LINE,
    ]  # fmt: skip


def boot(kernel, initrd, workdir, nonce, silence, memory, follow=None):
    """Boots once. The machine is killed when nothing came from it for `silence`
    seconds; follow(text) is called with what comes from the second port."""
    console = os.path.join(workdir, "console.log")
    port = os.path.join(workdir, "port.log")
    for path in (console, port):
        if os.path.exists(path):
            os.unlink(path)
    with open(os.path.join(workdir, "qemu.log"), "wb") as log:
        qemu = subprocess.Popen(
            qemu_command(kernel, initrd, memory, console, port),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent,
        )  # fmt: skip
    try:
        watch(qemu, port, nonce, silence, follow)
    finally:
        qemu.kill()
        qemu.wait()
    text = read(port)
    if f"@{nonce} init\n" not in text:
        end = "no-init"
    elif f"@{nonce} done\n" in text:
        end = "done"
    else:
        end = "early" if qemu.returncode == 0 else "stuck"
    return Boot(read(console), text, end)


def watch(qemu, port, nonce, silence, follow):
    """Returns when the machine is down, or silent for too long."""
    seen = 0
    text = ""
    quiet_since = time.monotonic()
    while qemu.poll() is None:
        time.sleep(0.1)
        text = read(port)
        if len(text) > seen:
            if follow:
                follow(text[seen:])
            seen = len(text)
            quiet_since = time.monotonic()
        limit = silence if f"@{nonce} init\n" in text else BOOT_LIMIT
        if time.monotonic() - quiet_since > limit:
            return
    text = read(port)
    if follow and len(text) > seen:
        follow(text[seen:])
