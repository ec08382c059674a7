/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Work that is given to a pool, and loops that look for it: userlib/lane.c.
 *
 *	giver				lane
 *	queued++
 *					asleep = true, idle++
 *	asleep? ring
 *	idle? calls one
 *					queued of any? stays up
 *
 *	giver 1		giver 2		lane
 *	queued++
 *	calling = lane
 *			queued++
 *			calling? leaves it
 *	asleep? ring
 *					calling = none
 *					looks: two, takes one, calls for the other
 *
 *	giver 1		giver 2		lane
 *	asleep? yes
 *					gets up by itself, does the work
 *	calling = lane
 *	asleep? no
 *					asleep = true, queued of any? no
 *			queued++
 *			calling? leaves it
 *	calling = none
 *	asleep? once more, of all
 *
 * One lane computes for ever from the start. The next may do so, with the first work, or
 * when it gets up and has something else that is ready. The third is left to do
 * the rest, be it in whose queue it may. Whoever sleeps while there is work is an
 * invalid end state.
 *
 * Steps are what the sequentially consistent accesses make of them.
 *
 * holds: : all work is done by those that do not compute
 * holds: SECOND=1: the same, where the next lane has some of its own
 * fails: RELAXED_UP: invalid end state: asleep = false is late, calling is read
 * fails: NO_LOOK: invalid end state: lies down without a look at the queues
 * fails: IDLE_LATE: invalid end state: looks, and is counted after that
 * fails: ASLEEP_LATE: invalid end state: looks, and sleeps after that
 * fails: NO_ANSWER: invalid end state: is called, computes, and calls nobody else
 * fails: ONE_FOR_IT SECOND=1: invalid end state: leaves one to itself, and computes something else
 * fails: NO_AGAIN: invalid end state: lets a call go for which another was left
 * fails: CALL_KEPT: invalid end state: who called a lane that was up lets the call stand
 * fails: CALL_DEAF: invalid end state: a lane that is up is not uncalled
 */
#define LANES 3
#define WORKS 2
#define NOBODY LANES

#ifndef SECOND
#define SECOND 0	/* the lane that the other work is given to, after the first */
#endif

byte queued[LANES];
bool asleep[LANES];
bool bell[LANES];
bool later[LANES];	/* asleep = false, and nobody sees it yet */
byte idle;
byte calling = NOBODY;
byte ran;

byte naps = 1;		/* wakes by something else, of the last lane */
byte computes = 1;	/* the one before may compute for ever: work, or something else */

/* The result is in rung. The bell is heard at once: late it wakes in vain. */
inline ring(l)
{
	d_step {
		rung = asleep[l];
		bell[l] = (rung || bell[l]);
		asleep[l] = false;
		later[l] = false
	}
}

/* From any lane on. Leaves i, rung and free as they were. */
inline call_idle()
{
	if
	:: idle == 0
	:: else ->
		/* The first lane never sleeps. */
		if
		:: i = 1
		:: i = 2
		fi;
		tries = LANES - 1;
		do
		:: tries == 0 -> break
		:: tries > 0 && !asleep[i] -> d_step { i = 3 - i; tries-- }
		:: tries > 0 && asleep[i] ->
			d_step { free = (calling == NOBODY); calling = (free -> i : calling) }
			if
			:: !free -> break
			:: else -> free = false
			fi;
			ring(i);
			if
			:: rung -> break
			:: else
			fi;
			d_step {
#ifndef CALL_KEPT
				calling = (calling == i -> NOBODY : calling);
#endif
#ifdef NO_AGAIN
				tries--;
#else
				tries = LANES - 1;
#endif
				i = 3 - i
			}
		od;
		atomic { i = 0; rung = false; free = false; tries = 0 }
	fi
}

proctype Giver(byte l)
{
	byte i, tries;
	bool rung, free;

	queued[l]++;
	ring(l);
	if
	:: rung
	:: else -> call_idle()
	fi
}

/* The result is in some. */
inline look_at_all()
{
	some = (queued[0] > 0);
	if
	:: !some -> some = (queued[1] > 0)
	:: else
	fi;
	if
	:: !some -> some = (queued[2] > 0)
	:: else
	fi
}

/* From that lane; the result is in took. */
inline take_of(other)
{
	if
	:: d_step { queued[other] > 0 && !took -> queued[other]--; took = true }
	:: queued[other] == 0 || took
	fi
}

inline get_up()
{
#ifdef RELAXED_UP
	later[me] = true;
#else
	asleep[me] = false;
#endif
	idle--;
#ifndef CALL_DEAF
	if
	:: calling == me -> calling = NOBODY
	:: calling != me
	fi
#endif
}

proctype Lane(byte me)
{
	byte i, tries;
	bool rung, free, took, some, busy;

	do
	:: ran == WORKS -> break
	:: else ->
		/* Its own first. */
		if
		:: d_step { queued[me] > 0 -> queued[me]--; ran++ }
			if
			:: d_step { me == 1 && computes > 0 && ran < WORKS -> computes-- } break
			:: true
			fi
		:: queued[me] == 0 ->
			take_of((me + 1) % LANES);
			take_of((me + 2) % LANES);
			if
			:: took ->
				d_step { ran++; took = false }
				if
				:: d_step { me == 1 && computes > 0 && ran < WORKS -> computes-- } break
				:: true
				fi
			:: else ->
#ifdef ASLEEP_LATE
				idle++;
				look_at_all();
				asleep[me] = true;
#else
				asleep[me] = true;
#ifdef IDLE_LATE
				look_at_all();
				idle++;
#else
				idle++;
				look_at_all();
#endif
#endif
#ifdef NO_LOOK
				some = false;
#endif
				if
				:: !some ->
					if
					:: d_step { bell[me] -> bell[me] = false }
					:: d_step { me == 2 && naps > 0 -> naps-- }
					:: d_step { me == 1 && computes > 0 -> computes--; busy = true }
					:: ran == WORKS
					fi
				:: else
				fi;
				some = false;
				get_up();
				/* The first that it runs may take for ever. */
#ifdef ONE_FOR_IT
				some = (queued[0] + queued[1] + queued[2] > 1);
#else
				some = (queued[0] + queued[1] + queued[2] > (busy -> 0 : 1));
#endif
#ifdef NO_ANSWER
				some = false;
#endif
				if
				:: some -> some = false; call_idle()
				:: else
				fi;
				if
				:: busy -> break
				:: else
				fi
			fi
		fi
	od
}

/* Stores that have not been seen yet are some time. */
#ifdef RELAXED_UP
active proctype Buffer()
{
end:
	do
	:: d_step { later[1] -> asleep[1] = false; later[1] = false }
	:: d_step { later[2] -> asleep[2] = false; later[2] = false }
	od
}
#endif

init {
	atomic {
		run Lane(1);
		run Lane(2);
		run Giver(0);
		run Giver(SECOND)
	}
}
