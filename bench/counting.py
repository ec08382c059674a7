# SPDX-License-Identifier: GPL-2.0
"""The machine whose clock counts instructions: one processor, one nanosecond each."""

import os
import secrets
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path += [os.path.join(TOP, "selftests"), os.path.join(TOP, "selftests", "vm")]

import kernel as kernels  # noqa: E402
import machine  # noqa: E402
import session  # noqa: E402

# A disk in which each command takes so long, but for the clock that counts; Debian's
# kernels have its driver built in.
SLOW_DISK = [
    "-blockdev", "driver=null-co,node-name=slow,size=1048576,latency-ns=50000000",
    "-device", "nvme,serial=slow,drive=slow",
]  # fmt: skip
COUNTING = ["-accel", "tcg", "-smp", "1", "-icount", "shift=0,sleep=off"]


def command(kernel, initrd, memory, console, port, counting, options):
    """The command of the tests' machine, with another clock if it is to count."""
    argv = machine.qemu_command(kernel, initrd, memory, console, port)
    if counting:
        for option in ("-accel", "-smp"):
            at = argv.index(option)
            del argv[at : at + 2]
        argv += COUNTING
    return argv + list(options)


def add_script(image, script):
    """A script in /, and the interpreter for it as python3."""
    interpreter = image.python(script)
    image.file("/" + os.path.basename(script), script)
    if interpreter != "/usr/bin/python3":
        image.link("/usr/bin/python3", interpreter)


def run(kernel, init, jobs, memory, counting, limit, script=None, options=()):
    """Boots one of .ci/kernels, runs jobs ((name, argv, program, env), ...) with the
    module, and returns what they printed. A script is there with a Python for it;
    options are QEMU's. Raises RuntimeError if it did not go well."""
    with tempfile.TemporaryDirectory() as tmp:
        plan = session.Session(kernels.Kernel(kernel), init, tmp, memory)
        plan.add_module()
        if script:
            add_script(plan.image, script)
        for name, argv, program, env in jobs:
            plan.add_job(session.Job(name, argv, limit, env), program)
        for _ in range(session.TRIES):
            text = boot(plan, tmp, limit, counting, options)
            if " init\n" in text:
                break
    ends = [line.split()[2:] for line in text.splitlines() if " end " in line]
    if [end[:3] for end in ends] != [[job[0], "exit", "0"] for job in jobs]:
        raise RuntimeError("the machine says:\n" + text[-3000:])
    return text


def show_progress(text):
    """What programs say of how far they are, as they do on this side."""
    for line in text.splitlines():
        if ": round " in line:
            print(line, file=sys.stderr)


def boot(plan, tmp, limit, counting, options):
    nonce = secrets.token_hex(8)
    initrd, console, port = (os.path.join(tmp, n) for n in ("initrd", "console.log", "port.log"))
    plan.image.data("/plan", plan.plan(nonce))
    plan.image.write(initrd)
    argv = command(plan.kernel.image, initrd, plan.memory, console, port, counting, options)
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as qemu:
        try:
            machine.watch(qemu, port, nonce, limit, show_progress)
        finally:
            qemu.kill()
    return machine.read(port)
