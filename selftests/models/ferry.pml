/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who fills a ring, and the thread that calls the kernel for that: userlib/ferry.c.
 *
 *	owner				ferry
 *					nothing to do: idle = 1
 *	tail = more
 *					tail? stays up
 *	idle? wakes
 *
 *	owner				ferry
 *	no room: full = 1
 *					kernel: head = more
 *	head? stays up
 *					full? wakes
 *
 * The owner fills entries, sends them when it likes or must, goes on without an entry
 * if the kernel refuses, and in the end waits for all to be taken and stops the ferry.
 * The kernel takes some of what was sent, or refuses a few times.
 *
 * Steps are what the sequentially consistent accesses make of them. A futex that is 0
 * is not slept on, and who sleeps is woken after it became that. What is full there is
 * waits here: Promela has a function of that name.
 *
 * holds: : nobody sleeps for ever, no entry is filled anew before it was taken, the
 *	ferry calls for nothing only if it is to end
 * fails: NO_LOOK_IDLE: invalid end state: the ferry sleeps without a second look
 * fails: NO_LOOK_FULL: invalid end state: the owner does
 * fails: EARLY_IDLE: invalid end state: idle is read before the tail is there
 * fails: EARLY_FULL: invalid end state: full is read before the head is there
 * fails: DEAF: refuses: who waits is not told that the kernel refuses
 * fails: LATE_STOP: invalid end state: wakes and then stops
 * fails: STALE_HEAD: filled: fills an entry without a look at the head
 */
#define ENTRIES 2
#define ALL 5

byte tail, head;	/* of the ring: sent, and taken */
byte filled;		/* the owner's */
bool idle, waits;	/* 1: its owner may sleep on it */
bool refused, stop, over;
byte refusals = 2;
bool refuses;		/* for ever */

#define IS_FULL (filled - head == ENTRIES)
#define IS_BEHIND (IS_FULL && !refused)
#define BORED (tail == head && !stop)

inline wake(word)
{
	d_step { word = false }
}

inline send()
{
#ifdef EARLY_IDLE
	was = idle;
	tail = filled;
#else
	tail = filled;
	was = idle;
#endif
	if
	:: was -> wake(idle)
	:: else
	fi;
	was = false
}

/* In the order of userlib/ferry.c: the look at what is refused comes after the head's. */
inline catch_up()
{
	send();
	do
	:: !IS_FULL -> break
	:: IS_FULL ->
		if
		:: refused -> break
		:: else
		fi;
		waits = true;
#ifdef NO_LOOK_FULL
		!waits;
#else
		if
		:: IS_BEHIND -> !waits
		:: else
		fi;
#endif
		waits = false
	od
}

active proctype Owner()
{
	bool was;

	do
	:: filled == ALL -> break
	:: filled < ALL ->
		if
#ifndef STALE_HEAD
		:: IS_FULL -> catch_up()
		:: !IS_FULL
#else
		:: true
#endif
		fi;
		skip;
		d_step {
			if
#ifdef STALE_HEAD
			:: true ->
#else
			:: !IS_FULL ->
#endif
				/* What the kernel has not taken is not written to. */
				assert(filled - head < ENTRIES);
				filled++
			:: else
			fi
		}
		if
		:: send()
		:: true
		fi;
		/* It gives up what cannot be: the kernel never takes it. */
		if
		:: refuses && refused -> break
		:: else
		fi
	od;
	send();
	if
	:: head == filled
	:: refuses
	fi;
#ifdef LATE_STOP
	wake(idle);
	stop = true;
#else
	stop = true;
	wake(idle);
#endif
	over;
	assert(refuses || head == ALL)
}

active proctype Ferry()
{
	bool was;
	byte nr;

	do
	:: stop -> break
	:: !stop && BORED ->
		idle = true;
#ifdef NO_LOOK_IDLE
		!idle;
#else
		if
		:: BORED -> !idle
		:: else
		fi;
#endif
		idle = false
	:: !stop && !BORED ->
		nr = tail - head;
		assert(nr > 0 && nr <= ENTRIES);
#ifdef EARLY_FULL
		was = waits;
#endif
		if
		:: d_step { !refuses -> head++; refused = false }
		:: d_step { !refuses -> head = head + nr; refused = false }
		:: d_step { !refuses && refusals > 0 -> refusals--; refused = true }
		:: d_step { refuses -> refused = true }
		fi;
#ifdef DEAF
		if
		:: refused -> assert(!(refuses && waits))
		:: else -> wake(waits)
		fi;
#else
#ifndef EARLY_FULL
		was = waits;
#endif
		if
		:: was -> wake(waits)
		:: else
		fi;
#endif
		was = false;
		nr = 0
	od;
	over = true
}

init {
	if
	:: refuses = true
	:: true
	fi
}
