#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Python's asyncio as a contender: reads "FIGURE N" lines, does it N times, answers a line.

usage: asyncio_peer.py, started by the programs "tasks" and "blocking"
"""

import asyncio
import concurrent.futures.thread  # by asyncio only when it is needed
import sys


async def brief():
    pass


async def task(n):
    for _ in range(n):
        await asyncio.create_task(brief())


async def mutex(n):
    lock = asyncio.Lock()
    for _ in range(n):
        await lock.acquire()
        lock.release()


async def echo(there, back):
    while True:
        back.put_nowait(await there.get())


async def queue(n):
    there, back = asyncio.Queue(), asyncio.Queue()
    other = asyncio.create_task(echo(there, back))
    for _ in range(n):
        there.put_nowait(n)
        await back.get()
    other.cancel()


def nothing():
    pass


async def timer(n):
    loop = asyncio.get_running_loop()
    for i in range(n):
        loop.call_later(3600 + i, nothing).cancel()


async def forever():
    await asyncio.get_running_loop().create_future()


async def cancelled(n):
    tasks = [asyncio.create_task(forever()) for _ in range(n)]
    await asyncio.sleep(0)
    for one in tasks:
        one.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def plus_one(arg):
    return arg + 1


async def blocking(n):
    for i in range(n):
        assert await asyncio.to_thread(plus_one, i) == i + 1


FIGURES = {f.__name__: f for f in (task, mutex, queue, timer, cancelled, blocking)}


async def main():
    for line in sys.stdin:
        figure, n = line.split()
        await FIGURES[figure](int(n))
        print("done", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(__doc__)
    asyncio.run(main())
