/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A coroutine in whose own code its thread blocks, and that comes back to the loop that
 * another thread has: userlib/entry.c, userlib/handoff.c.
 *
 *	A, in a coroutine		B, told of its word
 *	word = armed
 *					lock: armed -> idle: has the loop
 *					absent[A] = the coroutine
 *					unlock
 *	calls: armed -> idle: fails
 *	lock: absent[A]; unlock
 *	leaves the coroutine's stack
 *	posts its note
 *					runs the note, and the coroutine
 *
 * That A is told of only if it sleeps, and that it is then, is for handoff.pml; how a loop
 * that sleeps learns of a note for doorbell.pml. Here any thread that has nothing to do
 * takes over from any that is armed, so these orders are among all.
 *
 * holds: : one has the loop, a stack is one thread's, nobody is lost
 * holds: THREADS=4 STEPS=2: the same of more threads
 * ends: STEPS=2: nothing goes on for ever
 * fails: POSTS_FIRST: stack: posts the note, and leaves the stack then
 * fails: UNLOCKED_LOOK: absent: looks who it is without the lock
 * fails: WRITES_LATE: absent: who takes over unlocks, and says then whom it found
 * fails: NO_SWAP: has_loop: goes on in the library by a store
 * fails: STAYS_ARMED: has_loop: is armed in the loop as well
 * fails: NO_NOTE: invalid end state: the coroutine never comes back
 */
#ifndef THREADS
#define THREADS 3
#endif
#ifndef STEPS
#define STEPS 3
#endif
#define COROS 2
#define NOBODY 255

bool armed[THREADS];	/* the word has the bit, and this block's count */
byte absent[THREADS] = NOBODY;	/* what who took over says of it */
byte current = NOBODY;	/* of the thread that is lent: goes with the loop */
byte lock = NOBODY;
bool ready[COROS], note[COROS];
byte left[COROS];	/* how often it is to call the library */

/* What should be. */
byte has_loop;		/* how many do, and are not armed */
byte stack[COROS];	/* how many are on it */
byte done;

inline leave_stack(c)
{
	stack[c]--
}

/* It waits, and what for is there; or it has ended. */
inline called(c)
{
	left[c]--;
	if
	:: left[c] > 0 -> ready[c] = true
	:: else -> done++
	fi
}

/* In the loop, which is the caller's. */
inline step()
{
	if
	:: d_step { note[0] -> note[0] = false; called(0) }
	:: d_step { note[1] -> note[1] = false; called(1) }
	:: d_step { ready[0] -> ready[0] = false; me = 0 }
		run_own()
	:: d_step { ready[1] -> ready[1] = false; me = 1 }
		run_own()
	fi
}

/* A coroutine's own code: until it calls, as the owner or not. */
inline run_own()
{
	d_step {
		stack[me]++;
		assert(stack[me] == 1);
		current = me;
		has_loop--;
		armed[_pid - 1] = true
	}
	d_step {
#ifdef NO_SWAP
		owns = true;
		armed[_pid - 1] = false;
#else
		owns = armed[_pid - 1];
#ifndef STAYS_ARMED
		armed[_pid - 1] = false;
#endif
#endif
		if
		:: owns ->
			has_loop++;
			assert(has_loop == 1)
		:: else
		fi
	}
	if
	:: !owns -> come_back()
	:: else -> d_step {
			current = NOBODY;
			leave_stack(me);
			called(me)
		}
	fi
}

inline come_back()
{
#ifndef UNLOCKED_LOOK
	atomic { lock == NOBODY -> lock = _pid }
#endif
	d_step {
		assert(absent[_pid - 1] == me);
		absent[_pid - 1] = NOBODY
	}
#ifndef UNLOCKED_LOOK
	lock = NOBODY;
#endif
#ifdef NO_NOTE
	leave_stack(me)
#elif defined(POSTS_FIRST)
	note[me] = true;
	leave_stack(me)
#else
	leave_stack(me);
	note[me] = true
#endif
}

inline take(other)
{
	atomic { lock == NOBODY -> lock = _pid }
	d_step {
		owns = armed[other];
		armed[other] = false
	}
	if
	:: owns ->
#ifdef WRITES_LATE
		lock = NOBODY;
#endif
		d_step {
			absent[other] = current;
			current = NOBODY
		}
		d_step {
			has_loop++;
			assert(has_loop == 1)
		}
	:: else
	fi;
#ifdef WRITES_LATE
	if
	:: lock == _pid -> lock = NOBODY
	:: else
	fi
#else
	lock = NOBODY
#endif
}

proctype Hand(bool owns)
{
	byte me = NOBODY;

end:
	do
	:: done == COROS -> break
	:: owns && done < COROS -> step()
	:: !owns && _pid != 1 && armed[0] -> take(0)
	:: !owns && _pid != 2 && armed[1] -> take(1)
	:: !owns && _pid != 3 && armed[2] -> take(2)
#if THREADS > 3
	:: !owns && _pid != 4 && armed[3] -> take(3)
#endif
	od
}

init {
	atomic {
		ready[0] = true;
		ready[1] = true;
		left[0] = STEPS;
		left[1] = STEPS;
		has_loop = 1;
		run Hand(true);
		run Hand(false);
		run Hand(false);
#if THREADS > 3
		run Hand(false)
#endif
	}
	/* Whoever has the loop has something to do, or somebody is on the way back. */
	done == COROS
}
