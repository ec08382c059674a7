/* SPDX-License-Identifier: MIT */
/* What the files that know /dev/coro share. */
#ifndef CORO_USERLIB_DEVICE_H
#define CORO_USERLIB_DEVICE_H

/* 0 or a negative errno; leaves errno as it was. */
int coro__device_ioctl(int fd, unsigned long cmd, void *args);

#endif /* CORO_USERLIB_DEVICE_H */
