/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A worker blocks and one that stands by is told: module/handoff.c, and STANDBY in
 * module/worker.c.
 *
 *	worker				STANDBY
 *	lock: no standby, raised
 *					lock: takes it off, told
 *
 *					lock: none raised, queued
 *	lock: a standby, told
 *
 *	tells				STANDBY
 *					state = INTERRUPTIBLE
 *	why, wakes
 *					why? does not sleep
 *
 *	worker				irq_work, timer
 *	word, asleep = true
 *					lock: armed
 *	asleep = false, goes on
 *	word + 1, asleep = true
 *					lock: fires for the first, waits for the second
 *
 *	hang-up				STANDBY
 *	dead
 *	lock: wakes all
 *					lock: queued
 *					dead? does not sleep
 *
 * Three workers; one owns. It blocks: for a moment or two, until it is taken over, for
 * ever as it ends, or in STANDBY. In the end the owner kicks all others out of theirs.
 * Deadlines, signals, answers that cannot be stored, a kick and a death come when they
 * like, each so often. Nothing here goes on for ever, so whoever would wait in
 * vain is one who is in no valid end state.
 *
 * Under handoff.lock only what others read or write without it is a step of its own.
 * Which standby is told is left open. Time is what comes due when it likes.
 *
 * holds: BLOCKS=2 GIVES_UP=0: no hand-over is lost, a block is told once, kicks reach all
 * holds: TWO BLOCKS=3: the same of two workers
 * holds: BLOCKS=1 ENDS=1 SELVES=1 FAULTS=1: the same with an end, a block in STANDBY,
 *	an answer that is not stored
 * holds: BLOCKS=2 GIVES_UP=0 NAPS=0 ENDS=1: the same with an end of the second one
 * holds: BLOCKS=1 NAPS=0 FAULTS=1 KICKER: the same with a kick
 * holds: BLOCKS=1 NAPS=0 DEATH: the same with a death: nobody sleeps after it
 * ends: BLOCKS=1 NAPS=0 FAULTS=1 ENDS=1 SELVES=1: nothing goes on for ever
 * ends: TWO BLOCKS=2: the same
 * fails: BLOCKS=1 NO_LOOK: listed: enters without a look at what was raised
 * fails: BLOCKS=1 NO_RAISED_LIST: invalid end state: a block with no standby is forgotten
 * fails: NO_RAISED_WORD: told_word: raises a word each time the thread sleeps
 * fails: NO_RESTART: invalid end state: the timer is early, and not started anew
 * fails: STAYS_ARMED: invalid end state: the timer that found nothing counts as armed
 * fails: BLOCKS=1 LEAVES_TOLD: invalid end state: leaves in time, though told
 * fails: FAULTS=1 NO_PASS: invalid end state: who cannot be told does not pass it on
 * fails: LOOKS_BEFORE_STATE: invalid end state: looks, and then says that it sleeps
 * fails: SELVES=1 TELLS_ITSELF: !=sb: a worker in STANDBY is told of its own block
 * fails: KICK_UNKEPT: invalid end state: a kick finds no STANDBY and is forgotten
 * fails: KICKER KICK_TOLD: invalid end state: a kick takes the place of a block
 * fails: UNLOCKED_LEAVE: stack: leaves without the lock
 * fails: DEATH WAKES_FIRST: invalid end state: hangs up, and is dead after that
 */
#define N 3

/* Words: the count times 2, and the bit. */
#define BLOCKING 1
#define COUNT 2

#define BLOCKED 1
#define KICKED 2

/* struct coro_shm_worker, coro_worker */
byte word[N];
byte wrk_word[N];
bool asleep[N];
bool blocks_queued[N], ends_queued[N];	/* irq_work */
bool timer[N], armed[N];
bool since_later[N];	/* since is later than what the timer was started for */
/* struct coro_slot */
bool raised[N], kicked[N], standby[N];
byte raised_word[N];
/* struct coro_standby, and the state of its task */
bool listed[N], interruptible[N];
byte why[N], id[N], id_word[N];

bool lock, dead, over;

#ifndef BLOCKS
#define BLOCKS 2
#endif
#ifndef NAPS
#define NAPS 1
#endif
#ifndef GIVES_UP
#define GIVES_UP 1
#endif
#ifndef ENDS
#define ENDS 0
#endif
#ifndef SELVES
#define SELVES 0
#endif
#ifndef FAULTS
#define FAULTS 0
#endif

byte blocks = BLOCKS;		/* how often owners are to block */
byte naps = NAPS;		/* how often one goes on and sleeps with the same word */
byte gives_up = GIVES_UP;	/* how many deadlines and signals come */
byte ends = ENDS;		/* how many end with the bit */
byte selves = SELVES;		/* how many block in STANDBY */
byte faults = FAULTS;		/* how many answers cannot be stored */

/* What should be. */
byte inside = 1;	/* who own, and do not block */
byte told_word[N];	/* of the last one that was told of this slot */
bool passed[N];
bool stack[N];		/* there is a coro_standby */

#define WAITS(s, t) (raised[s] && listed[t])
#define UNLOCK \
	/* raised and queued */ \
	assert(!(WAITS(0, 1) || WAITS(0, 2) || WAITS(1, 0) || WAITS(1, 2) || \
		 WAITS(2, 0) || WAITS(2, 1))); \
	lock = false

inline give(slot, sb)
{
	/* told before */
	assert(told_word[slot] != raised_word[slot] || passed[slot]);
	/* told itself */
	assert(slot != sb);
	told_word[slot] = raised_word[slot];
	passed[slot] = false;
	raised[slot] = false;
	id[sb] = slot;
	id_word[sb] = raised_word[slot]
}

inline wake(sb)
{
	/* gone */
	assert(stack[sb]);
	interruptible[sb] = false
}

#ifdef TELLS_ITSELF
#define PICKS(slot, sb) listed[sb]
#else
#define PICKS(slot, sb) (listed[sb] && sb != slot)
#endif

/* Leaves in sb whom to wake, or N. Not to be left in between. */
inline offer(slot)
{
	if
	:: PICKS(slot, 0) -> sb = 0
	:: PICKS(slot, 1) -> sb = 1
	:: PICKS(slot, 2) -> sb = 2
	:: else -> sb = N
	fi;
	if
	:: sb < N -> give(slot, sb); listed[sb] = false; why[sb] = BLOCKED
#ifndef NO_RAISED_LIST
	:: else -> raised[slot] = true
#else
	:: else
#endif
	fi
}

/* Between the two halves of this whoever is told may be up already. */
inline raise(slot)
{
	atomic {
		sb = N;
		if
#ifndef NO_RAISED_WORD
		:: raised_word[slot] == wrk_word[slot]
#endif
		:: else -> raised_word[slot] = wrk_word[slot]; offer(slot)
		fi
	}
	if
	:: sb < N -> wake(sb)
	:: else
	fi
}

inline kick(slot)
{
	atomic {
		!lock -> lock = true;
		if
#ifdef KICK_TOLD
		:: standby[slot] ->
#else
		:: standby[slot] && listed[slot] ->
#endif
			listed[slot] = false;
			why[slot] = KICKED;
			wake(slot)
#ifdef KICK_UNKEPT
		:: else
#else
		:: else -> kicked[slot] = true
#endif
		fi;
		UNLOCK
	}
}

/* coro_handoff_debounced() as far as it can be seen: raises is left to be done. */
inline fire()
{
	timer[s] = false;
	if
	:: !asleep[s]
	:: else ->
		if
		:: since_later[s] ->
#ifndef NO_RESTART
			timer[s] = true;
#endif
			since_later[s] = false
		:: raises = true
		fi
	fi;
#ifdef STAYS_ARMED
	armed[s] = timer[s] || !asleep[s];
#else
	armed[s] = timer[s];
#endif
	since_later[s] = since_later[s] && timer[s]
}

/* coro_handoff_blocks(), likewise. */
inline find_asleep()
{
	if
	:: !asleep[s]
	:: else ->
		since_later[s] = armed[s];
		if
		/* Without debounce. */
		:: raises = true
		:: timer[s] = timer[s] || !armed[s]; armed[s] = true
		fi
	fi
}

#define IRQ_BLOCKS 0
#define IRQ_ENDS 1
#define IRQ_TIMER 2

active proctype Interrupts()
{
	byte s, sb, irq;
	bool raises;

end:
	do
	:: atomic {
			if
			:: blocks_queued[0] && !lock -> s = 0
			:: blocks_queued[1] && !lock -> s = 1
			:: blocks_queued[2] && !lock -> s = 2
			:: ends_queued[0] && !lock -> s = 0; irq = IRQ_ENDS
			:: ends_queued[1] && !lock -> s = 1; irq = IRQ_ENDS
			:: ends_queued[2] && !lock -> s = 2; irq = IRQ_ENDS
			:: timer[0] && !lock -> s = 0; irq = IRQ_TIMER
			:: timer[1] && !lock -> s = 1; irq = IRQ_TIMER
			:: timer[2] && !lock -> s = 2; irq = IRQ_TIMER
			fi;
			if
			:: irq == IRQ_BLOCKS -> blocks_queued[s] = false
			:: irq == IRQ_ENDS -> ends_queued[s] = false
			:: else
			fi;
			lock = true
		}
		atomic {
			if
			:: irq == IRQ_BLOCKS -> find_asleep()
			:: irq == IRQ_TIMER -> fire()
			:: irq == IRQ_ENDS -> raises = wrk_word[s] & BLOCKING
			fi;
			irq = 0
		}
		if
		:: raises -> raise(s); raises = false
		:: else
		fi;
		d_step { s = 0; sb = 0; UNLOCK }
	od
}

inline sched_out()
{
	if
	:: d_step { word[me] & BLOCKING -> wrk_word[me] = word[me] }
		d_step { asleep[me] = true; blocks_queued[me] = true }
	:: else
	fi
}

inline sched_in()
{
	asleep[me] = false
}

inline enter()
{
	d_step {
		!lock -> stack[me] = true;
		why[me] = 0;
		sb = 0;
		found = N;
		do
		:: sb < N ->
			if
			:: sb != me && raised[sb] ->
				if
				:: word[sb] == raised_word[sb] -> found = sb
				:: else -> raised[sb] = false
				fi
			:: else
			fi;
			sb++
		:: else -> break
		od;
#ifdef NO_LOOK
		found = N;
#endif
		if
		:: kicked[me] -> kicked[me] = false; why[me] = KICKED
		:: !kicked[me] && found < N -> give(found, me); why[me] = BLOCKED
		:: else -> standby[me] = true; listed[me] = true
		fi;
		sb = 0;
		found = 0;
		UNLOCK
	}
}

#ifdef DEATH
#define UNLESS_DEAD if :: dead -> break :: else fi;
#else
#define UNLESS_DEAD
#endif

inline sleep()
{
	do
#ifdef LOOKS_BEFORE_STATE
	:: if
		:: why[me] || dead -> break
		:: else
		fi;
		interruptible[me] = true;
#else
	:: interruptible[me] = true;
		if
		:: why[me] -> break
		:: else
		fi;
		UNLESS_DEAD
#endif
		if
		:: interruptible[me] ->
			sched_out();
			if
			:: !interruptible[me]
			:: d_step { gives_up > 0 -> gives_up--; gone_on = true }
			fi;
			sched_in()
		:: !interruptible[me]
		fi;
		if
		:: gone_on -> break
		:: else
		fi
	od
}

inline leave()
{
	d_step {
#ifndef UNLOCKED_LEAVE
		!lock ->
#endif
		interruptible[me] = false;
		listed[me] = false;
		standby[me] = false;
		stack[me] = false;
#ifdef LEAVES_TOLD
		why[me] = (gone_on -> 0 : why[me]);
#endif
		gone_on = false
	}
}

inline pass_on()
{
#ifdef NO_PASS
	skip
#else
	atomic {
		!lock -> lock = true;
		if
		:: raised_word[id[me]] == id_word[me] ->
			passed[id[me]] = true;
			offer(id[me]);
			if
			:: sb < N -> wake(sb)
			:: else
			fi;
			sb = 0
		:: else
		fi;
		UNLOCK
	}
#endif
}

inline stand_by()
{
	enter();
	sleep();
	leave();
	if
	:: d_step { why[me] && faults > 0 -> faults-- }
		if
		:: why[me] == BLOCKED -> pass_on()
		:: why[me] == KICKED -> kick(me)
		fi;
		why[me] = 0
	:: true
	fi
}

/* The swap of whoever was told. */
inline take()
{
	d_step {
		if
		:: why[me] == BLOCKED && word[id[me]] == id_word[me] ->
			assert(!owns);
			word[id[me]] = id_word[me] - BLOCKING + COUNT;
			owns = true;
			inside++;
			assert(inside <= 1)
		:: else
		fi;
		why[me] = 0;
		id[me] = 0;
		id_word[me] = 0
	}
}

/* The swap of whoever blocked. */
inline go_on()
{
	d_step {
		owns = (word[me] == idle + BLOCKING);
		idle = idle + COUNT;
		if
		:: owns -> word[me] = idle; inside++
		:: else
		fi;
		assert(inside <= 1 && word[me] == idle)
	}
}

inline block()
{
	d_step { blocks--; inside--; word[me] = idle + BLOCKING }
	if
	:: true ->
		sched_out();
		sched_in();
		if
		:: d_step { naps > 0 -> naps-- }
			sched_out();
			sched_in()
		:: true
		fi;
		go_on()
	:: true ->
		sched_out();
		/* What it waits for is done by who takes over. */
		(word[me] != idle + BLOCKING || dead);
		sched_in();
		go_on()
	:: d_step { selves > 0 -> selves-- }
		stand_by();
		go_on();
		take()
	:: d_step { ends > 0 -> ends-- }
		wrk_word[me] = word[me];
		ends_queued[me] = true;
		goto out
	fi
}

proctype Thread(byte me; bool owns)
{
	byte idle, sb, found;
	bool gone_on;

	do
	:: over || dead -> break
	:: else ->
		if
		:: owns && blocks > 0 -> block()
		:: owns ->
			over = true;
			kick(((me + 1) % N));
			kick(((me + 2) % N));
			break
		:: !owns -> stand_by(); take()
		fi
	od;
out:
	skip
}

#ifdef KICKER
active proctype Kicker()
{
	byte slot;

	atomic {
		if
		:: slot = 0
		:: slot = 1
		:: slot = 2
		fi
	}
	kick(slot)
}
#endif

#ifdef DEATH
active proctype Death()
{
	byte sb;

#ifndef WAKES_FIRST
	dead = true;
#endif
	do
	:: d_step {
			!lock -> sb = 0;
			do
			:: sb < N && !listed[sb] -> sb++
			:: else -> break
			od;
			if
			:: sb < N -> listed[sb] = false; wake(sb)
			:: else
			fi
		}
		if
		:: sb == N -> break
		:: else
		fi
	od;
#ifdef WAKES_FIRST
	dead = true
#endif
}
#endif

init {
	atomic {
		run Thread(0, true);
		run Thread(1, false)
#ifndef TWO
		; run Thread(2, false)
#endif
	}
}
