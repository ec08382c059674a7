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
};

/* Innermost: nothing is taken under it, and no user memory is touched. */
static DEFINE_MUTEX(coro_users_lock);
static DEFINE_XARRAY(coro_users);

static struct coro_user *coro_user_new(kuid_t uid)
{
	struct coro_user *user;
	int ret;

	lockdep_assert_held(&coro_users_lock);
	user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);
	if (!user)
		return ERR_PTR(-ENOMEM);
	user->uid = uid;
	ret = xa_err(xa_store(&coro_users, __kuid_val(uid), user, GFP_KERNEL));
	if (ret) {
		kfree(user);
		return ERR_PTR(ret);
	}
	return user;
}

/* Count one more scheduler of the user: -ENOSPC if it has too many. */
struct coro_user *coro_user_get(kuid_t uid)
{
	u32 limit = READ_ONCE(coro_limit_user_schedulers);
	struct coro_user *user;

	mutex_lock(&coro_users_lock);
	user = xa_load(&coro_users, __kuid_val(uid));
	if ((user ? user->nr_scheds : 0) >= limit)
		user = ERR_PTR(-ENOSPC);
	else if (!user)
		user = coro_user_new(uid);
	if (!IS_ERR(user))
		user->nr_scheds++;
	mutex_unlock(&coro_users_lock);
	return user;
}

void coro_user_put(struct coro_user *user)
{
	mutex_lock(&coro_users_lock);
	if (!--user->nr_scheds) {
		WARN_ON_ONCE(atomic_read(&user->nr_contexts));
		xa_erase(&coro_users, __kuid_val(user->uid));
		kfree(user);
	}
	mutex_unlock(&coro_users_lock);
}

/* Returns how many of the @wanted contexts the user may still have. */
u32 coro_user_charge(struct coro_user *user, u32 wanted)
{
	u32 limit = min_t(u32, READ_ONCE(coro_limit_user_contexts), INT_MAX);
	atomic_t *nr = &user->nr_contexts;
	int held = atomic_read(nr);
	u32 granted;

	do {
		if (held >= limit)
			return 0;
		granted = min_t(u32, wanted, limit - held);
	} while (!atomic_try_cmpxchg(nr, &held, held + granted));
	return granted;
}

void coro_user_uncharge(struct coro_user *user, u32 nr)
{
	atomic_sub(nr, &user->nr_contexts);
}
