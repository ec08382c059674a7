/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A loop that sleeps and those who post to it: userlib/doorbell.c.
 *
 *	caller				loop
 *	inbox = note
 *					asleep = true
 *	asleep? ring
 *					inbox? stays up
 *
 *	holder				loop
 *	inbox = note
 *					holders? not stuck
 *	holders--, asleep? ring
 *					asleep = true, inbox? holders? stays up
 *
 *	caller				loop
 *					asleep = true, inbox is empty
 *	inbox = note, rings
 *					READ: the bell was rung before, ends at once
 *
 *	caller				loop
 *	reads inbox
 *					inbox = CLOSED, runs what was in it
 *	swaps: fails, refused
 *
 * A holder posts twice, with the same memory, and puts the loop. Another one, or a
 * thread that is no holder, posts once, perhaps after the end. The loop posts as
 * well. It ends when it is stuck or a note says so.
 *
 * Steps are what the sequentially consistent accesses make of them. The stores of
 * get_up() are relaxed: they come late here. So does the load of rang().
 *
 * holds: : never asleep on a full inbox, each note once, in order, none after the end
 * ends: OTHERS=0: nothing goes on for ever
 * fails: RELAXED_ASLEEP: invalid end state: the store of asleep waits in a buffer
 * fails: RELAXED_INBOX: invalid end state: asleep is read before the note is there
 * fails: RELAXED_HOLDERS: invalid end state: asleep is read before the holder left
 * fails: NO_SECOND_LOOK: invalid end state: lies down without a look at the inbox
 * fails: FORGETFUL: invalid end state: the bell is not heard before the READ
 * fails: INBOX_FIRST: unrun: looks whether it is stuck in the other order
 * fails: PUSH_BY_STORE: stamp: posts without a swap
 * fails: EMPTY_BY_STORE: posted: empties by a load and a store
 * fails: CLOSE_BY_STORE: posted: empties, and closes after that
 * fails: DROP_FIRST: refs: lets go of the loop and then rings
 */
#define POSTERS 2
#define OWN POSTERS /* the note of the loop */
#define NONE 0
#define CLOSED 99

/* What is in a store buffer. */
#define NOTHING 0
#define FALSE_LATER 1
#define TRUE_LATER 2

byte inbox = NONE;	/* number of a note, and 1 */
byte next[POSTERS + 1];
bool asleep;
bool bell;		/* the eventfd is not 0 */
byte holders;
byte refs = 1 + POSTERS;
byte buffer = NOTHING;	/* the loop's stores of asleep */

#ifndef OTHERS
#define OTHERS 1
#endif

byte naps = OTHERS;	/* wakes by something else */
byte stale = OTHERS;	/* loads of rang() that do not see what is there */
byte again = OTHERS;	/* posts from the loop */

/* What should be. */
byte posted, ran;	/* notes accepted and run, of all */
byte stamp[POSTERS + 1];	/* the how manieth of all it was */
bool unrun[POSTERS + 1];	/* accepted and not run */
bool awake = true;	/* the loop is not in its READ */
bool ended;

/* It must be there: who looks has a reference. */
#define ALIVE assert(refs > 0)

inline ring_if(value)
{
	d_step { ALIVE; was = value }
	if
	:: was ->
		d_step { was = asleep; asleep = false }
		if
		:: was -> was = false;
#ifdef FORGETFUL
			d_step { ALIVE; bell = !awake }
#else
			d_step { ALIVE; bell = true }
#endif
		:: else
		fi
	:: else
	fi
}

inline accept(n)
{
	assert(!ended && !unrun[n]);
	inbox = n + 1;
	unrun[n] = true;
	stamp[n] = posted;
	posted++
}

inline post(n)
{
	d_step { ALIVE; head = inbox; next[n] = head }
	do
	:: head == CLOSED -> refused = true; break
	:: else ->
#ifdef RELAXED_INBOX
		early = asleep;
#endif
		if
#ifdef PUSH_BY_STORE
		:: d_step { true -> accept(n); head = NONE } break
#else
		:: d_step { inbox == head -> accept(n); head = NONE } break
		:: d_step { inbox != head -> head = inbox; next[n] = head }
#endif
		fi
	od;
	if
	:: refused -> head = NONE
#ifdef RELAXED_INBOX
	:: else -> ring_if(early)
#else
	:: else -> ring_if(asleep)
#endif
	fi
}

proctype Poster(byte me; byte left; bool holds)
{
	byte head;
	bool was, early, refused;

	do
	:: left > 0 && !refused ->
		/* Its memory is used anew. */
		atomic { !unrun[me] -> left-- }
		post(me)
	:: else -> break
	od
#ifdef DROP_FIRST
	refs--;
#endif
	if
	:: holds ->
#ifdef RELAXED_HOLDERS
		early = asleep;
#endif
		d_step { holders--; left = holders }
		if
#ifdef RELAXED_HOLDERS
		:: left == 0 -> ring_if(early)
#else
		:: left == 0 -> ring_if(asleep)
#endif
		:: else
		fi
	:: else
	fi;
#ifndef DROP_FIRST
	refs--
#endif
}

/* After one note the loop posts its own; another one may end main. */
inline run_note(n)
{
	d_step {
		assert(unrun[n] && stamp[n] == ran);
		ran++;
		unrun[n] = false;
		stamp[n] = 0
	}
	if
	:: again > 0 && n == 0 ->
		again--;
		post(OWN);
		refused = false
	:: n == 1 -> quits = true
	:: true
	fi
}

inline take_all(leave)
{
#ifdef EMPTY_BY_STORE
	last = inbox;
	inbox = leave;
#else
	d_step { last = inbox; inbox = leave; ended = (leave == CLOSED) }
#endif
	/* Nobody else sees them. */
	atomic {
		first = NONE;
		do
		:: last != NONE ->
			note = last;
			last = next[note - 1];
			next[note - 1] = first;
			first = note
		:: else -> break
		od
	}
	do
	:: first != NONE ->
		d_step {
			note = first - 1;
			first = next[note];
			next[note] = NONE
		}
		run_note(note);
		note = NONE
	:: else -> break
	od
}

/* The result is in stuck. */
inline look_whether_stuck()
{
#ifdef INBOX_FIRST
	stuck = (inbox == NONE);
	stuck = stuck && holders == 0
#else
	stuck = (holders == 0);
	stuck = stuck && inbox == NONE
#endif
}

/* The result is in sleeps. */
inline lie_down()
{
#ifdef RELAXED_ASLEEP
	buffer = TRUE_LATER;
#else
	d_step { asleep = true; buffer = NOTHING }
#endif
#ifdef NO_SECOND_LOOK
	sleeps = true;
#else
	sleeps = (inbox == NONE);
#endif
	if
	:: sleeps -> look_whether_stuck(); sleeps = !stuck; stuck = false
	:: else
	fi;
	if
	:: !sleeps -> buffer = FALSE_LATER
	:: else
	fi
}

proctype Loop(bool only)
{
	byte head, last, first, note;
	bool was, early, refused, quits, stuck, sleeps;

	do
	:: quits -> break
	:: else ->
		if
		:: d_step { inbox != NONE && stale > 0 -> stale-- }
		:: inbox != NONE -> take_all(NONE)
		:: inbox == NONE
		fi;
		if
		:: quits -> break
		:: else
		fi;
		look_whether_stuck();
		if
		:: stuck ->
			/* Who is no holder is not waited for. */
			assert(!unrun[0] && (!unrun[1] || only));
			break
		:: else
		fi;
		lie_down();
		if
		:: sleeps ->
			awake = false;
			if
			:: d_step { bell -> bell = false; awake = true }
			:: d_step { naps > 0 -> naps--; awake = true }
			fi;
			buffer = FALSE_LATER
		:: else
		fi
	od;
#ifdef CLOSE_BY_STORE
	take_all(NONE);
	inbox = CLOSED;
	ended = true;
#else
	take_all(CLOSED);
#endif
	assert(ran == posted);
	refs--
}

/* Stores that have not been seen yet are some time. */
active proctype Buffer()
{
end:
	do
	:: d_step { buffer == FALSE_LATER -> asleep = false; buffer = NOTHING }
	:: d_step { buffer == TRUE_LATER -> asleep = true; buffer = NOTHING }
	od
}

init {
	atomic {
		if
		:: holders = 1
		:: holders = 2
		fi;
		run Loop((holders == 1));
		run Poster(0, 2, true);
		run Poster(1, 1, (holders == 2))
	}
}
