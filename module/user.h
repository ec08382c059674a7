/* SPDX-License-Identifier: GPL-2.0 */
/* What the schedulers of one user hold together, and its limits. */
#ifndef CORO_USER_H
#define CORO_USER_H

#include <linux/types.h>
#include <linux/uidgid.h>

struct coro_user;

struct coro_user *coro_user_get(kuid_t uid);
void coro_user_put(struct coro_user *user);
u32 coro_user_charge(struct coro_user *user, u32 wanted);
void coro_user_uncharge(struct coro_user *user, u32 nr);

#endif /* CORO_USER_H */
