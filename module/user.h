/* SPDX-License-Identifier: GPL-2.0 */
/* What the schedulers of one user hold together, and its limits. */
#ifndef CORO_USER_H
#define CORO_USER_H

#include <linux/types.h>
#include <linux/uidgid.h>

struct coro_user;

struct coro_user *coro_user_get(kuid_t uid);
void coro_user_put(struct coro_user *user);
int coro_user_charge_contexts(struct coro_user *user, u32 nr);
void coro_user_uncharge_contexts(struct coro_user *user, u32 nr);
bool coro_user_has_room(const struct coro_user *user);
void coro_user_count_messages(struct coro_user *user, int nr);

#endif /* CORO_USER_H */
