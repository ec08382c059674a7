/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Something is owned by one thread at a time; it goes with the word of a worker:
 * struct coro_standby_args, coro_worker_renew_word(), dev/handoff_storm_test.
 *
 *	owner				told of it
 *	word = count | BLOCKING
 *					swaps count | BLOCKING for count + 1
 *	goes on: swaps the same, fails
 *
 *	owner				told of it
 *	word = count | BLOCKING
 *	goes on: swaps, count + 1
 *	word = count + 1 | BLOCKING
 *					swaps count | BLOCKING: fails
 *
 *	new worker of that number	told of the last one
 *	reads count
 *					swaps count | BLOCKING for count + 1
 *	word = count + 2
 *
 * The kernel is worse than it is: it tells the word that it noted last to any thread
 * that stands by, however often and however late. When it must tell is for handoff.pml.
 * Threads detach and attach anew, and end with the bit.
 *
 * holds: : one owns, or what is owned waits to be taken; what is told late fails
 * holds: FULL: the same, but that numbers are given whose last worker left the bit:
 *	what that one owned may be lost
 * fails: NO_SWAP: inside: goes on by a store
 * fails: TAKE_BY_STORE: told_block: takes over by a load and a store
 * fails: SAME_COUNT: told_block: goes on with the same count
 * fails: GIVE_BLOCKED: noted[has]: gives a number whose last worker left the bit
 * fails: UNNOTED_END: noted[has]: ends with the bit, and nobody is told
 * fails: FULL RENEW_BY_ONE: highest: renews the word by one
 * fails: FULL NO_RENEW: highest: takes only the bit from the word
 */
#define THREADS 3
#ifdef FULL
#define SLOTS THREADS
#else
/* One may be left with the bit until that is taken. */
#define SLOTS (THREADS + 1)
#endif

/* Words: the count times 2, and the bit. */
#define BLOCKING 1
#define COUNT 2
#define COUNT_OF(w) ((w) & 254)

byte word[SLOTS];
byte noted[SLOTS];	/* by the kernel, when the worker slept; or 0 */
bool given[SLOTS];
bool stop;

byte blocks = 3;	/* how often owners are to block */
byte ends = 1;		/* how many are to end with the bit */
byte moves = 1;		/* how many are to attach anew */

/* What should be. */
byte inside = 1;	/* who own, and do not block */
byte has;		/* the slot whose worker owns */
bool blocked[SLOTS];	/* its worker will go on */
byte block[SLOTS];	/* the how manieth block this is, 0 for none */
byte noted_block[SLOTS];
byte nr_blocks;
byte highest[SLOTS];	/* count that ever was */

inline write(slot, value)
{
	word[slot] = value;
	highest[slot] = (COUNT_OF(value) > highest[slot] -> COUNT_OF(value) : highest[slot])
}

inline note(slot)
{
	if
	:: word[slot] & BLOCKING -> noted[slot] = word[slot]; noted_block[slot] = block[slot]
	:: else
	fi
}

#ifdef FULL
#define FREE(s) (!given[s])
#elif defined(GIVE_BLOCKED)
#define FREE(s) (!given[s])
#else
#define FREE(s) (!given[s] && !(word[s] & BLOCKING))
#endif

inline attach()
{
	d_step {
		me = 0;
		do
		:: me < SLOTS && !FREE(me) -> me++
		:: else -> break
		od;
		assert(me < SLOTS);
		given[me] = true;
		idle = COUNT_OF(word[me])
	}
	/* Between these somebody may have taken what the last worker left. */
	d_step {
#ifdef NO_RENEW
		idle = idle;
#elif defined(RENEW_BY_ONE)
		idle = idle + COUNT;
#else
		idle = idle + 2 * COUNT;
#endif
		assert(idle > highest[me] || highest[me] == 0);
		write(me, idle);
		block[me] = 0
	}
}

/* Goes to sleep, and is seen or not; goes on, and finds out whether it still owns. */
inline own()
{
	d_step {
		blocks--;
		inside--;
		blocked[me] = true;
		nr_blocks++;
		block[me] = nr_blocks;
		write(me, idle | BLOCKING)
	}
	if
	:: d_step { note(me) }
	:: true
	fi;
	if
	:: d_step {
			ends > 0 -> ends--;
#ifndef UNNOTED_END
			note(me);
#endif
			blocked[me] = false;
			given[me] = false;
			owns = false
		}
		attach()
	:: d_step {
			blocked[me] = false;
#ifdef NO_SWAP
			owns = true;
#else
			owns = (word[me] == (idle | BLOCKING));
#endif
#ifdef SAME_COUNT
			idle = (owns -> idle : idle + COUNT);
#else
			idle = idle + COUNT;
#endif
			if
			:: owns -> write(me, idle); block[me] = 0; inside++
			:: else
			fi;
			assert(inside <= 1);
			assert(word[me] == idle && owns == (has == me))
		}
	fi
}

inline take()
{
#ifdef TAKE_BY_STORE
	succeeds = (word[told] == told_word);
#endif
	d_step {
#ifndef TAKE_BY_STORE
		succeeds = (word[told] == told_word);
#endif
		if
		:: succeeds ->
			/* Not late. */
			assert(told_block == block[told]);
			assert(has == told);
			write(told, COUNT_OF(told_word) + COUNT);
			block[told] = 0;
			inside++;
			assert(inside <= 1);
			has = me;
			owns = true
		:: else
		fi;
		succeeds = false;
		told_word = 0;
		told_block = 0
	}
}

inline stand_by(slot)
{
	d_step {
		told = slot;
		told_word = noted[slot];
		told_block = noted_block[slot]
	}
	take();
	told = 0
}

proctype Thread(bool owns)
{
	byte me, idle, told, told_word, told_block;
	bool succeeds;

	attach();
	if
	:: owns -> has = me
	:: else
	fi;
end:
	do
	:: owns && blocks > 0 -> own()
	:: owns && blocks == 0 -> stop = true; break
	:: !owns && stop -> break
	:: !owns && noted[0] && me != 0 -> stand_by(0)
	:: !owns && noted[1] && me != 1 -> stand_by(1)
	:: !owns && noted[2] && me != 2 -> stand_by(2)
#if !defined(FULL)
	:: !owns && noted[3] && me != 3 -> stand_by(3)
#endif
	:: d_step { !owns && moves > 0 -> moves--; given[me] = false }
		attach()
	od
}

init {
	atomic {
		run Thread(true);
		run Thread(false);
		run Thread(false)
	}
}

#ifndef FULL
ltl kept {
	[] (inside == 1 || ((word[has] & BLOCKING) && (blocked[has] || noted[has] == word[has])))
}
#endif
