// SPDX-License-Identifier: GPL-2.0
/* What the schedulers of one user hold together, and its limits. */
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "limits.h"
#include "user.h"

/*
 * One for each uid that has a living scheduler. The reference count is the
 * number of these.
 */
struct coro_user {
	kuid_t uid;
	u32 nr_scheds; /* covered by coro_users_lock */
	atomic_t nr_contexts;
	atomic_t nr_messages;
};

/*
 * Innermost. Every exit of every user takes it, so nothing under it sleeps for
 * memory: who is throttled by its memory cgroup would hold up the others.
 */
static DEFINE_MUTEX(coro_users_lock);
static DEFINE_XARRAY(coro_users);

/*
 * The user with one more scheduler; @fresh becomes it, and NULL, if there is
 * none yet. EAGAIN: somebody took away the place that was reserved.
 */
static struct coro_user *coro_user_get_locked(kuid_t uid,
					      struct coro_user **fresh)
{
	struct coro_user *user;

	lockdep_assert_held(&coro_users_lock);
	user = xa_load(&coro_users, __kuid_val(uid));
	if ((user ? user->nr_scheds : 0) >=
	    READ_ONCE(coro_limit_user_schedulers)) {
		xa_release(&coro_users, __kuid_val(uid));
		return ERR_PTR(-ENOSPC);
	}
	if (!user) {
		user = *fresh;
		if (xa_err(xa_store(&coro_users, __kuid_val(uid), user,
				    GFP_NOWAIT)))
			return ERR_PTR(-EAGAIN);
		*fresh = NULL;
	}
	user->nr_scheds++;
	return user;
}

/* Count one more scheduler of the user: -ENOSPC if it has too many. */
struct coro_user *coro_user_get(kuid_t uid)
{
	struct coro_user *user, *fresh;
	int ret;

	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return ERR_PTR(-ENOMEM);
	fresh->uid = uid;
	do {
		ret = xa_reserve(&coro_users, __kuid_val(uid), GFP_KERNEL);
		if (ret) {
			user = ERR_PTR(ret);
			break;
		}
		mutex_lock(&coro_users_lock);
		user = coro_user_get_locked(uid, &fresh);
		mutex_unlock(&coro_users_lock);
	} while (user == ERR_PTR(-EAGAIN));
	kfree(fresh);
	return user;
}

void coro_user_put(struct coro_user *user)
{
	mutex_lock(&coro_users_lock);
	if (--user->nr_scheds) {
		mutex_unlock(&coro_users_lock);
		return;
	}
	xa_erase(&coro_users, __kuid_val(user->uid));
	mutex_unlock(&coro_users_lock);
	WARN_ON_ONCE(atomic_read(&user->nr_contexts));
	WARN_ON_ONCE(atomic_read(&user->nr_messages));
	kfree(user);
}

/* All of @nr, or -ENOSPC. */
int coro_user_charge_contexts(struct coro_user *user, u32 nr)
{
	u32 limit = min_t(u32, READ_ONCE(coro_limit_user_contexts), INT_MAX);
	int held = atomic_read(&user->nr_contexts);

	do {
		if (held > limit || nr > limit - held)
			return -ENOSPC;
	} while (!atomic_try_cmpxchg(&user->nr_contexts, &held, held + nr));
	return 0;
}

void coro_user_uncharge_contexts(struct coro_user *user, u32 nr)
{
	atomic_sub(nr, &user->nr_contexts);
}

/*
 * Whether the user may have one more message. Senders of different schedulers
 * can pass this together: the limit gives way by one for each of them.
 */
bool coro_user_has_room(const struct coro_user *user)
{
	return atomic_read(&user->nr_messages) <
	       min_t(u32, READ_ONCE(coro_limit_user_events), INT_MAX / 2);
}

/* So many more messages, or fewer. */
void coro_user_count_messages(struct coro_user *user, int nr)
{
	atomic_add(nr, &user->nr_messages);
}
