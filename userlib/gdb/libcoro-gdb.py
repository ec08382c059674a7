# SPDX-License-Identifier: MIT
"""Coroutines of libcoro in gdb: who there is, what each waits for, and where.

    info coros              all coroutines of the process
    coro bt [-OPTION...] [COROUTINE]
                            where it is, where who awaits it is, and so on to the
                            thread; options are those of backtrace
    coro select COROUTINE   look at its frames with frame, up, down, info locals
    coro select             look at the thread again

"info coroutines" and "coroutine COROUTINE [bt]" do the same, in the words that gdb has for
threads.

COROUTINE is a name, an id, or an expression for a struct coro *; without one it
is the one that runs in the selected thread. All works on processes and on core
files, and nothing in the process is called or changed. On the device a core
must have shared mappings of files: bit 3 of /proc/PID/coredump_filter.

The library's debug information is needed: that of libcoro.so is found as for
any library, that of libcoro.a is in the program.

Installed next to libcoro.so.0, where gdb loads it by itself if "auto-load
safe-path" has that folder; otherwise, and for programs linked with libcoro.a:
"source .../libcoro.so.0-gdb.py".
"""

import struct

import gdb
import gdb.unwinder

FREE, CREATED, RUNNING, SUSPENDED, CLOSED = range(5)
AWAITS_CONTEXT, AWAITS_TIMER, AWAITS_IO = 2, 3, 4
NAMES_SHOWN = 8

# struct coro_shm_context of linux/coro.h
ENTRY = struct.Struct("=IBxHIIQQQQ16s")
ENTRIES_AT_ONCE = 4096

# What coro__switch() saves, upwards from the stack pointer; then how many bytes.
SAVED = {
    "x86-64": ({"r15": 8, "r14": 16, "r13": 24, "r12": 32, "rbx": 40, "rbp": 48, "rip": 56}, 64),
    "aarch64": ({**{f"x{n}": 8 * (n - 19) for n in range(19, 31)}, "pc": 88}, 176),
}

OPERATIONS = """nop readv writev fsync read_fixed write_fixed poll_add poll_remove sync_file_range
    sendmsg recvmsg timeout timeout_remove accept async_cancel link_timeout connect fallocate openat
    close files_update statx read write fadvise madvise send recv openat2 epoll_ctl splice
    provide_buffers remove_buffers tee shutdown renameat unlinkat mkdirat symlinkat linkat msg_ring
    fsetxattr setxattr fgetxattr getxattr socket uring_cmd send_zc sendmsg_zc read_multishot waitid
    futex_wait futex_wake futex_waitv fixed_fd_install ftruncate bind listen""".split()


def memory(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def word(address):
    return struct.unpack("=Q", memory(address, 8))[0]


class Layout:
    """Where the fields of the library's structures are, by its debug information."""

    def __init__(self):
        self.known = {}

    def type(self, name):
        try:
            return gdb.lookup_type("struct " + name)
        except gdb.error:
            raise gdb.GdbError("There is no libcoro here that has debug information.") from None

    def offset(self, path):
        """Of "coro.task.act", for example."""
        if path not in self.known:
            name, *fields = path.split(".")
            kind, at = self.type(name), 0
            for field in fields:
                found = kind[field]
                at += found.bitpos // 8
                kind = found.type.strip_typedefs()
            self.known[path] = (at, kind.sizeof)
        return self.known[path]

    def get(self, address, path):
        """An integer or pointer of the structure at an address."""
        at, size = self.offset(path)
        return int.from_bytes(memory(address + at, size), "little")

    def address(self, address, path):
        return address + self.offset(path)[0]

    def list(self, head, path):
        """Structures in a struct list, linked through the field."""
        at = word(head)
        while at != head:
            yield at - self.offset(path)[0]
            at = word(at)


class Coroutine:
    def __init__(self, world, address, index, entry):
        self.world = world
        self.address = address
        generation, self.state, _, self.worker, self.kind, self.arg, self.sp, self.entry, _, name = entry
        self.id = generation << 32 | index
        self.name = name.split(b"\0")[0].decode(errors="replace")

    def get(self, path):
        return self.world.layout.get(self.address, "coro." + path)

    def other(self, path):
        return self.world.by_address.get(self.get(path))

    def title(self):
        return f'coroutine "{self.name}" (id {self.id:#x})'

    def leaf(self):
        """The innermost of those that it awaits."""
        at = self.other("leaf") or self
        while at.other("awaiting"):
            at = at.other("awaiting")
        return at

    def shown_state(self):
        """As coro_state() has it: who awaits one that runs is running."""
        state = self.state
        if state == SUSPENDED and self.leaf().state == RUNNING:
            state = RUNNING
        names = {CREATED: "CREATED", RUNNING: "RUNNING", SUSPENDED: "SUSPENDED", CLOSED: "CLOSED"}
        return names.get(state, str(state))

    def awaits(self):
        """What it waits for, in words."""
        if self.state != SUSPENDED:
            return ""
        if self.kind == AWAITS_CONTEXT:
            return (self.other("awaiting") or self.world.by_id(self.arg, self)).title()
        if self.kind == AWAITS_TIMER:
            return f"timer, until {self.arg / 1e9:.6f} s"
        if self.kind == AWAITS_IO:
            opcode, fd = self.arg >> 32, self.arg & 0xFFFFFFFF
            name = OPERATIONS[opcode] if opcode < len(OPERATIONS) else f"operation {opcode}"
            return f"{name}, fd {fd if fd < 1 << 31 else fd - (1 << 32)}"
        what = self.world.awaits.get(self.kind, str(self.kind))
        return f"{what} {self.arg:#x}" if self.arg else what


class Named:
    """Stands for a coroutine of which only the id is known."""

    def __init__(self, number):
        self.number = number

    def title(self):
        return f"coroutine (id {self.number:#x})"


class World:
    """All coroutines of the process as it stands."""

    def __init__(self):
        self.layout = Layout()
        self.by_address = {}
        self.threads = []
        self.schedulers = {}
        names = gdb.lookup_type("enum coro_awaits").fields() if self.layout.type("coro") else ()
        self.awaits = {f.enumval: f.name[len("CORO_AWAITS_") :].lower() for f in names}
        head = gdb.lookup_static_symbol("coro__scheds")
        if not head:
            raise gdb.GdbError("There is no libcoro here.")
        self.join_told = int(gdb.lookup_static_symbol("coro__join_told").value().address)
        for sched in self.layout.list(int(head.value().address), "coro__sched.all"):
            self.add_scheduler(sched)
        self.current = {}
        self.drivers = {}
        for thread in self.threads:
            self.current[self.layout.get(thread, "coro__thread.cur")] = thread
            self.add_drivers(self.layout.get(thread, "coro__thread.act"), thread)
        self.add_parked()

    def add_scheduler(self, sched):
        layout = self.layout
        get = lambda path: layout.get(sched, "coro__sched." + path)  # noqa: E731
        thread = get("thread")
        if thread:
            self.threads.append(thread)
        nr = get("space.nr_open") if get("space.portable") else get("space.nr_dumped")
        size, stacks, table = get("space.stack_size"), get("space.stacks"), get("space.table")
        room = (layout.type("coro").sizeof + 63) & ~63
        if nr:
            self.check_table(table)
        for first in range(0, nr, ENTRIES_AT_ONCE):
            count = min(ENTRIES_AT_ONCE, nr - first)
            for at, entry in enumerate(self.entries(table + ENTRY.size * first, count), first):
                if entry[1] != FREE:
                    address = stacks + (at + 1) * size - room
                    coro = Coroutine(self, address, at, entry)
                    self.by_address[address] = coro
                    self.schedulers.setdefault(sched, {})[coro.id] = coro

    def entries(self, table, nr):
        """Of the device's table only pages with contexts in them can be read."""
        page = 4096 // ENTRY.size
        for first in range(0, nr, page):
            count = min(page, nr - first)
            try:
                text = memory(table + first * ENTRY.size, count * ENTRY.size)
            except gdb.MemoryError:
                text = bytes(count * ENTRY.size)
            yield from ENTRY.iter_unpack(text)

    def check_table(self, table):
        """Its first page has a context, or nobody would have asked."""
        try:
            memory(table, 1)
        except gdb.MemoryError:
            raise gdb.GdbError(
                "The device's table of coroutines is not in this core file: it takes bit 3 of"
                " /proc/PID/coredump_filter, see core(5)."
            ) from None

    def add_drivers(self, act, thread):
        """Who resumed whom, from the innermost act to that of the thread or loop."""
        while act:
            get = lambda path: self.layout.get(act, "coro__act." + path)  # noqa: E731
            root = get("root")
            by_loop = act == self.layout.address(root, "coro.task.base")
            self.drivers[root] = (get("prev"), by_loop, thread)
            act = get("up")

    def add_parked(self):
        running = {self.layout.get(thread, "coro__thread.task") for thread in self.threads}
        for coro in self.by_address.values():
            if coro.state == CLOSED or coro.address in running or not coro.get("task.loop"):
                continue
            self.add_drivers(coro.get("task.act"), 0)

    def by_id(self, number, near):
        """Of the same scheduler."""
        for found in self.schedulers.values():
            if found.get(near.id) is near and number in found:
                return found[number]
        return Named(number)

    def find(self, text):
        """The coroutine of a name, an id or an expression."""
        text = text.strip()
        found = [c for c in self.by_address.values() if c.name == text.strip("\"'")]
        if not found:
            try:
                number = int(gdb.parse_and_eval(text))
            except gdb.error:
                raise gdb.GdbError(f"There is no coroutine {text}.") from None
            found = [c for c in self.by_address.values() if number in (c.id, c.address)]
        if not found:
            raise gdb.GdbError(f"There is no coroutine {text}.")
        if len(found) > 1:
            some = ", ".join(f"{c.address:#x}" for c in found[:NAMES_SHOWN])
            raise gdb.GdbError(f"There are {len(found)} of {text}; say which by its address: {some}")
        return found[0]

    def joiners(self, coro):
        """Who awaits a coroutine that a loop runs."""
        if coro.state == CLOSED or not coro.get("task.loop"):
            return []
        head = self.layout.address(coro.address, "coro.task.joiners")
        found = []
        for joiner in self.layout.list(head, "coro__joiner.link"):
            # Others are told as well, who are no coroutine that awaits this one alone.
            if self.layout.get(joiner, "coro__joiner.told") != self.join_told:
                continue
            join = joiner - self.layout.offset("coro__join.joiner")[0]
            task = self.layout.get(join, "coro__join.wait.task")
            found.append(self.by_address.get(self.layout.get(task, "coro.task.cur")))
        return [c for c in found if c]

    def above(self, coro):
        """Whom it gives its result or its yield to: words, a coroutine or None, a thread or 0."""
        awaiter = coro.other("awaiter")
        if awaiter:
            return "awaited by " + awaiter.title(), awaiter, 0
        joiners = self.joiners(coro)
        if joiners:
            more = f", and {len(joiners) - 1} more" if joiners[1:] else ""
            return f"awaited by {joiners[0].title()}{more}", joiners[0], 0
        if coro.address not in self.drivers:
            return "", None, 0
        prev, loop, thread = self.drivers[coro.address]
        driver = self.by_address.get(prev)
        if driver:
            return "resumed by " + driver.title(), driver, 0
        if loop:
            owner = self.layout.get(coro.get("task.loop"), "coro__loop.thread")
            return f"run by the loop of thread {self.tid(owner)}", None, thread
        return f"resumed by thread {self.tid(thread)}", None, thread

    def tid(self, thread):
        return self.layout.get(thread, "coro__thread.tid") if thread else "?"


class SavedFrame:
    """The name of a frame for gdb. Its address is that of the stack which it leads
    to, since gdb refuses frames that lie below those that they called."""

    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class Detour(gdb.unwinder.Unwinder):
    """While it is set, what called the innermost frame of the selected thread is a
    stack that coro__switch() left."""

    def __init__(self):
        super().__init__("libcoro")
        self.sp = None
        self.around = None
        self.taken = False

    def set(self, sp):
        """From this saved stack pointer, or None: as it is."""
        self.sp = None
        self.taken = False
        gdb.invalidate_cached_frames()
        if sp:
            frame = gdb.newest_frame()
            self.around = (int(frame.read_register("sp")), frame.pc())
            self.sp = sp
            gdb.invalidate_cached_frames()

    def __call__(self, frame):
        if not self.sp:
            return None
        at = (int(frame.read_register("sp")), int(frame.read_register("pc")))
        machine = next((m for m in SAVED if m in frame.architecture().name()), None)
        if at != self.around or not machine:
            return None
        registers, size = SAVED[machine]
        kind = gdb.lookup_type("unsigned long")
        value = lambda number: gdb.Value(number).cast(kind)  # noqa: E731
        info = frame.create_unwind_info(SavedFrame(value(self.sp), value(at[1])))
        for name, offset in registers.items():
            info.add_saved_register(name, value(word(self.sp + offset)))
        info.add_saved_register("rsp" if machine == "x86-64" else "sp", value(self.sp + size))
        self.taken = True
        return info


DETOUR = Detour()
gdb.unwinder.register_unwinder(None, DETOUR, replace=True)


def backtrace_of(sp, options):
    """gdb's own backtrace of a stack that was left at @sp."""
    DETOUR.set(sp)
    try:
        text = gdb.execute("backtrace " + options, to_string=True)
        if not DETOUR.taken:
            return "its stack cannot be read"
    finally:
        DETOUR.set(None)
    lines = text.splitlines()
    while lines and not lines[0].startswith("#1 "):
        del lines[0]
    return "\n".join(renumber(line) for line in lines)


def renumber(line):
    number = line[1:].split(" ", 1)[0]
    if not line.startswith("#") or not number.isdigit():
        return line
    return f"#{int(number) - 1}".ljust(len(number) + 1) + line[len(number) + 1 :]


def backtrace_of_thread(tid, options):
    """Of what the thread runs now."""
    selected = gdb.selected_thread()
    for thread in gdb.selected_inferior().threads():
        if thread.ptid[1] == tid:
            thread.switch()
            try:
                return gdb.execute("backtrace " + options, to_string=True).rstrip("\n")
            finally:
                selected.switch()
    return f"thread {tid} is not there"


class Coros(gdb.Command):
    """List the coroutines of the process: id, state, name, what each waits for, and
    who awaits or resumed it."""

    def __init__(self, name="info coros"):
        super().__init__(name, gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        world = World()
        rows = [("Id", "Address", "State", "Name", "Awaits", "")]
        for coro in world.by_address.values():
            state, awaits = coro.shown_state(), coro.awaits()
            if coro.address in world.current:
                awaits = f"(runs in thread {world.tid(world.current[coro.address])})"
            where = (f"{coro.id:#x}", f"{coro.address:#x}", state, coro.name or "-", awaits or "-")
            rows.append((*where, world.above(coro)[0]))
        if len(rows) == 1:
            gdb.write("No coroutines.\n")
            return
        widths = [max(map(len, column)) for column in zip(*rows)]
        for row in rows:
            line = "  ".join(text.ljust(width) for text, width in zip(row, widths))
            gdb.write(line.rstrip() + "\n")


class Coro(gdb.Command):
    """Look at one coroutine: coro bt, coro select."""

    def __init__(self):
        super().__init__("coro", gdb.COMMAND_STACK, prefix=True)


class OfCoroutine(gdb.Command):
    """A command whose argument is a coroutine."""

    def chosen(self, world, text):
        if text:
            return world.find(text)
        thread = gdb.selected_thread()
        for address, owner in world.current.items():
            if thread and address and world.tid(owner) == thread.ptid[1]:
                return world.by_address[address]
        raise gdb.GdbError("No coroutine runs in this thread.")

    def complete(self, text, _):
        try:
            names = {coro.name for coro in World().by_address.values()}
        except gdb.error:
            return []
        return sorted(name for name in names if name.startswith(text))


class CoroBt(OfCoroutine):
    """Print where a coroutine is, where who awaits or resumed it is, and so on to
    the thread.  Usage: coro bt [-OPTION...] [COROUTINE]
    Options are those of backtrace; without COROUTINE it is the running one."""

    def __init__(self):
        super().__init__("coro bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        words = argument.split(" ")
        options = [word for word in words if word.startswith("-")]
        world = World()
        coro = self.chosen(world, " ".join(w for w in words if w not in options).strip())
        self.show(world, coro, " ".join(options))

    def show(self, world, coro, options):
        awaits = coro.awaits()
        gdb.write(f"{coro.title()}, {coro.shown_state()}{awaits and ', awaits ' + awaits}\n")
        seen = set()
        while coro and coro.address not in seen:
            seen.add(coro.address)
            gdb.write(self.stack(world, coro, options) + "\n")
            said, above, thread = world.above(coro)
            if said:
                gdb.write(said + "\n")
            coro = above
            if thread and not coro:
                sp = world.layout.get(thread, "coro__thread.sp")
                gdb.write(backtrace_of(sp, options) + "\n")

    def stack(self, world, coro, options):
        if coro.state == CLOSED:
            return "it has ended"
        if coro.state == CREATED:
            function = gdb.execute(f"info symbol {coro.entry:#x}", to_string=True)
            return "it will begin in " + function.split(" in section")[0].rstrip()
        if coro.address in world.current:
            return backtrace_of_thread(world.tid(world.current[coro.address]), options)
        # Beside its loop, which was handed over while it blocked.
        if not coro.sp:
            return backtrace_of_thread(coro.worker, options)
        return backtrace_of(coro.sp, options)


class CoroSelect(OfCoroutine):
    """Look at a coroutine that does not run, with frame, up, down and info locals.
    Usage: coro select [COROUTINE]
    Frame 0 stays that of the thread, frame 1 is the coroutine's innermost. It lasts
    until the program goes on, or until coro select without an argument."""

    def __init__(self):
        super().__init__("coro select", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        DETOUR.set(None)
        if not argument:
            gdb.execute("frame 0")
            return
        world = World()
        coro = world.find(argument)
        if coro.address in world.current or not coro.sp or coro.state in (CREATED, CLOSED):
            raise gdb.GdbError(f"{coro.title()} is {coro.shown_state()}: it has no saved stack.")
        DETOUR.set(coro.sp)
        gdb.execute("frame 1")


class OneCoroutine(OfCoroutine):
    """Look at a coroutine: with bt like coro bt, without like coro select.
    Usage: coroutine COROUTINE [bt [-OPTION...]]"""

    def __init__(self):
        super().__init__("coroutine", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        who, bt, options = argument.partition(" bt")
        if bt and (not options or options.startswith(" ")):
            gdb.execute(f"coro bt {options} {who}")
        else:
            gdb.execute(f"coro select {argument}")


gdb.events.cont.connect(lambda _: DETOUR.set(None) if DETOUR.sp else None)
for command in (Coros, Coro, CoroBt, CoroSelect):
    command()
Coros("info coroutines")
OneCoroutine()
