#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Handles in another language: plain files for os, fcntl, selectors and socket of Python."""

import array
import errno
import fcntl
import mmap
import os
import select
import selectors
import signal
import socket
import struct
import sys
import threading
import traceback

MAGIC = 0xC2
SETUP, ALLOC, FREE, WAKE, FINISH, EXPORT, CANCEL = 0, 1, 2, 3, 6, 7, 8
SEND, JOIN, CANCELS, RECV = 1, 2, 4, 8
NONBLOCK, CLOEXEC = 1, 2
MESSAGE, CANCELLED = 1, 2


def ioctl(fd, number, args):
    """A command whose arguments are bytes; they are given back as the kernel left them."""
    args = bytearray(args)
    fcntl.ioctl(fd, 3 << 30 | len(args) << 16 | MAGIC << 8 | number, args)
    return bytes(args)


def batch(fd, number, entries):
    """A command with an array; gives back the array."""
    data = array.array("B", b"".join(entries))
    address, _ = data.buffer_info()
    done = ioctl(fd, number, struct.pack("=IIIIQ", 24, 0, len(entries), 0, address))
    assert struct.unpack("=IIIIQ", done)[3] == len(entries)
    return data.tobytes()


class Scheduler:
    """A scheduler with one context."""

    def __init__(self, mailbox=4):
        self.fd = os.open("/dev/coro", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        args = struct.pack("=IIIIQQIIQQQQQQQ", 96, 0, 8, mailbox, 8192, *[0] * 10)
        out = struct.unpack("=IIIIQQIIQQQQQQQ", ioctl(self.fd, SETUP, args))
        offset, length = out[11], out[12]
        self.table = mmap.mmap(self.fd, length, mmap.MAP_SHARED, offset=offset)
        self.id = struct.unpack("=Q", batch(self.fd, ALLOC, [bytes(8)]))[0]

    def export(self, rights, flags=CLOEXEC):
        return export(self.fd, self.id, rights, flags)

    def wake(self, value):
        batch(self.fd, WAKE, [struct.pack("=QQ", self.id, value)])

    def finish(self, value):
        batch(self.fd, FINISH, [struct.pack("=QQ", self.id, value)])

    def free(self):
        batch(self.fd, FREE, [struct.pack("=Q", self.id)])

    def die(self):
        self.table.close()

    def close(self):
        if not self.table.closed:
            self.table.close()
        os.close(self.fd)


def export(fd, ident, rights, flags=CLOEXEC):
    args = struct.pack("=IIQIi", 24, flags, ident, rights, -1)
    return struct.unpack("=IIQIi", ioctl(fd, EXPORT, args))[4]


def cancel(fd, ident, value):
    ioctl(fd, CANCEL, struct.pack("=IIQQ", 24, 0, ident, value))


def send(fd, *values):
    """How many bytes went."""
    return os.write(fd, struct.pack(f"={len(values)}Q", *values))


def join(fd):
    value, reserved = struct.unpack("=QQ", os.read(fd, 16))
    assert reserved == 0
    return value


def events(fd):
    """Events of a read, as (id, kind, value)."""
    data = os.read(fd, 24 * 16)
    return [(i, kind, value) for i, kind, _, value in struct.iter_unpack("=QIIQ", data)]


def refused(number, call, *args):
    """True if the call fails with this errno."""
    try:
        call(*args)
    except OSError as error:
        return error.errno == number
    return False


def child(function):
    """A process that ends with what the function returns, 99 if it raised; its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        code = function() or 0
    except BaseException:
        traceback.print_exc()
    os._exit(code)


def ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def in_thread(function, *args):
    """A thread under way, and the list in which its result will be."""
    result = []
    thread = threading.Thread(target=lambda: result.append(function(*args)))
    thread.start()
    return thread, result


def a_write_is_a_message(s):
    hnd = s.export(SEND)
    assert send(hnd, 7, 8) == 16
    assert events(s.fd) == [(s.id, MESSAGE, 7), (s.id, MESSAGE, 8)]
    assert refused(errno.EBADF, join, hnd)


def a_full_mailbox_raises_blocking_io_error(s):
    hnd = s.export(SEND, NONBLOCK)
    assert send(hnd, *range(9)) == 4 * 8
    try:
        send(hnd, 1)
    except BlockingIOError:
        pass
    else:
        raise AssertionError("it fitted")
    assert len(events(s.fd)) == 4


def a_read_is_the_result(s):
    hnd = s.export(JOIN)
    thread, result = in_thread(join, hnd)
    s.finish(2**64 - 1)
    thread.join()
    assert result == [2**64 - 1]
    assert join(hnd) == 2**64 - 1


def a_closed_pipe_is_broken_pipe_error(s):
    hnd = s.export(SEND)
    s.finish(1)
    try:
        send(hnd, 1)
    except BrokenPipeError:
        pass
    else:
        raise AssertionError("it was sent")


def death_is_an_error_of_its_own(s):
    hnd = s.export(JOIN | SEND)
    s.die()
    assert refused(errno.EOWNERDEAD, join, hnd)
    assert refused(errno.EPIPE, send, hnd, 1)


def what_was_freed_is_stale(s):
    hnd = s.export(JOIN)
    s.free()
    assert refused(errno.ESTALE, join, hnd)


def a_cancel_is_an_ioctl(s):
    hnd = s.export(CANCELS)
    cancel(hnd, 0, 5)
    cancel(hnd, 0, 6)
    assert events(s.fd) == [(s.id, CANCELLED, 5)]
    assert refused(errno.EBADF, send, hnd, 1)


def a_receiver_reads_events(s):
    hnd = s.export(RECV)
    s.wake(1)
    s.wake(2)
    assert events(hnd) == [(s.id, MESSAGE, 1), (s.id, MESSAGE, 2)]
    s.finish(0)
    assert refused(errno.EPIPE, events, hnd)


def rights_only_shrink(s):
    hnd = export(s.export(SEND | JOIN), 0, JOIN)
    assert refused(errno.EBADF, export, hnd, 0, SEND)
    assert refused(errno.EBADF, send, hnd, 1)
    s.finish(3)
    assert join(hnd) == 3


def selectors_watch_handles(s):
    hnd = s.export(SEND | JOIN)
    with selectors.DefaultSelector() as selector:
        selector.register(hnd, selectors.EVENT_READ | selectors.EVENT_WRITE)
        assert [mask for _, mask in selector.select(0)] == [selectors.EVENT_WRITE]
        send(hnd, 1, 2, 3, 4)
        assert not selector.select(0)
        assert len(events(s.fd)) == 4
        assert [mask for _, mask in selector.select(0)] == [selectors.EVENT_WRITE]
        s.finish(9)
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        assert [mask for _, mask in selector.select()] == [both]
    assert join(hnd) == 9


def a_selector_wakes_when_another_thread_sends(s):
    hnd, recv = s.export(SEND), s.export(RECV)
    with selectors.EpollSelector() as selector:
        selector.register(recv, selectors.EVENT_READ)
        thread, result = in_thread(send, hnd, 4)
        assert len(selector.select()) == 1
        thread.join()
    assert result == [8]
    assert events(recv) == [(s.id, MESSAGE, 4)]


def poll_tells_of_death(s):
    hnd = s.export(JOIN)
    poll = select.poll()
    poll.register(hnd, select.POLLIN)
    assert not poll.poll(0)
    s.die()
    ((_, mask),) = poll.poll()
    assert mask & (select.POLLHUP | select.POLLERR) == select.POLLHUP | select.POLLERR


def a_handle_travels_over_a_socket(s):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def other():
        ours.close()
        _, (fd,), _, _ = socket.recv_fds(theirs, 16, 1)
        assert send(fd, os.getpid()) == 8
        cancel(fd, 0, 11)
        return join(fd)

    pid = child(other)
    theirs.close()
    hnd = s.export(SEND | JOIN | CANCELS)
    socket.send_fds(ours, [b"handle"], [hnd])
    os.close(hnd)
    os.set_blocking(s.fd, True)
    got = []
    while len(got) < 2:
        got += events(s.fd)
    assert got == [(s.id, MESSAGE, pid), (s.id, CANCELLED, 11)]
    s.finish(42)
    assert ended(pid) == 42


def the_owner_may_be_killed(_):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def owner():
        ours.close()
        s = Scheduler()
        socket.send_fds(theirs, [b"handle"], [s.export(JOIN | SEND)])
        signal.pause()

    pid = child(owner)
    theirs.close()
    _, (hnd,), _, _ = socket.recv_fds(ours, 16, 1)
    thread, result = in_thread(refused, errno.EOWNERDEAD, join, hnd)
    os.kill(pid, signal.SIGKILL)
    thread.join()
    assert result == [True]
    assert ended(pid) == -signal.SIGKILL
    assert refused(errno.EPIPE, send, hnd, 1)


def a_file_object_can_hold_it(s):
    with open(s.export(SEND), "wb", buffering=0) as hnd:
        assert hnd.write(struct.pack("=Q", 12)) == 8
        assert refused(errno.EINVAL, hnd.write, b"1234567")
    assert events(s.fd) == [(s.id, MESSAGE, 12)]


CASES = (
    a_write_is_a_message,
    a_full_mailbox_raises_blocking_io_error,
    a_read_is_the_result,
    a_closed_pipe_is_broken_pipe_error,
    death_is_an_error_of_its_own,
    what_was_freed_is_stale,
    a_cancel_is_an_ioctl,
    a_receiver_reads_events,
    rights_only_shrink,
    selectors_watch_handles,
    a_selector_wakes_when_another_thread_sends,
    poll_tells_of_death,
    a_handle_travels_over_a_socket,
    the_owner_may_be_killed,
    a_file_object_can_hold_it,
)


def run(case):
    """A case in a process of its own, so that none leaves files to the next."""

    def body():
        scheduler = Scheduler()
        signal.alarm(30)
        case(scheduler)
        scheduler.close()

    sys.stdout.flush()
    return ended(child(body)) == 0


def main():
    print("TAP version 13")
    print(f"1..{len(CASES)}")
    failed = 0
    for number, case in enumerate(CASES, 1):
        good = run(case)
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} {case.__name__}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
