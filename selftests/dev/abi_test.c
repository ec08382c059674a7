// SPDX-License-Identifier: GPL-2.0
/* The numbers of the interface: sizes, offsets and commands that must never change. */
#include <stddef.h>
#include <stdint.h>

#include <linux/coro.h>

#include "kselftest_harness.h"

#define EXPECT_FIELD(off, type, field) \
	EXPECT_EQ(off, offsetof(struct type, field))

TEST(setup_args_keep_their_layout)
{
	EXPECT_EQ(96U, sizeof(struct coro_setup_args));
	EXPECT_FIELD(0U, coro_setup_args, size);
	EXPECT_FIELD(4U, coro_setup_args, flags);
	EXPECT_FIELD(8U, coro_setup_args, max_contexts);
	EXPECT_FIELD(12U, coro_setup_args, mailbox);
	EXPECT_FIELD(16U, coro_setup_args, stack_size_bytes);
	EXPECT_FIELD(24U, coro_setup_args, out_features);
	EXPECT_FIELD(32U, coro_setup_args, out_max_contexts);
	EXPECT_FIELD(36U, coro_setup_args, out_mailbox);
	EXPECT_FIELD(40U, coro_setup_args, out_stack_size_bytes);
	EXPECT_FIELD(48U, coro_setup_args, out_header_off);
	EXPECT_FIELD(56U, coro_setup_args, out_header_bytes);
	EXPECT_FIELD(64U, coro_setup_args, out_table_off);
	EXPECT_FIELD(72U, coro_setup_args, out_table_bytes);
	EXPECT_FIELD(80U, coro_setup_args, out_stacks_off);
	EXPECT_FIELD(88U, coro_setup_args, out_stacks_bytes);
}

TEST(alloc_args_keep_their_layout)
{
	EXPECT_EQ(24U, sizeof(struct coro_alloc_args));
	EXPECT_FIELD(0U, coro_alloc_args, size);
	EXPECT_FIELD(4U, coro_alloc_args, flags);
	EXPECT_FIELD(8U, coro_alloc_args, nr);
	EXPECT_FIELD(12U, coro_alloc_args, out_nr);
	EXPECT_FIELD(16U, coro_alloc_args, ids);
}

TEST(free_args_keep_their_layout)
{
	EXPECT_EQ(24U, sizeof(struct coro_free_args));
	EXPECT_FIELD(0U, coro_free_args, size);
	EXPECT_FIELD(4U, coro_free_args, flags);
	EXPECT_FIELD(8U, coro_free_args, nr);
	EXPECT_FIELD(12U, coro_free_args, out_nr);
	EXPECT_FIELD(16U, coro_free_args, ids);
}

TEST(wake_args_keep_their_layout)
{
	EXPECT_EQ(24U, sizeof(struct coro_wake_args));
	EXPECT_FIELD(0U, coro_wake_args, size);
	EXPECT_FIELD(4U, coro_wake_args, flags);
	EXPECT_FIELD(8U, coro_wake_args, nr);
	EXPECT_FIELD(12U, coro_wake_args, out_nr);
	EXPECT_FIELD(16U, coro_wake_args, wakes);
	EXPECT_EQ(16U, sizeof(struct coro_wake));
	EXPECT_FIELD(0U, coro_wake, id);
	EXPECT_FIELD(8U, coro_wake, value);
}

TEST(peak_args_keep_their_layout)
{
	EXPECT_EQ(24U, sizeof(struct coro_peak_args));
	EXPECT_FIELD(0U, coro_peak_args, size);
	EXPECT_FIELD(4U, coro_peak_args, flags);
	EXPECT_FIELD(8U, coro_peak_args, nr);
	EXPECT_FIELD(12U, coro_peak_args, out_nr);
	EXPECT_FIELD(16U, coro_peak_args, peaks);
	EXPECT_EQ(16U, sizeof(struct coro_peak));
	EXPECT_FIELD(0U, coro_peak, id);
	EXPECT_FIELD(8U, coro_peak, out_bytes);
}

TEST(stat_args_keep_their_layout)
{
	EXPECT_EQ(64U, sizeof(struct coro_stat_args));
	EXPECT_FIELD(0U, coro_stat_args, size);
	EXPECT_FIELD(4U, coro_stat_args, flags);
	EXPECT_FIELD(8U, coro_stat_args, out_contexts);
	EXPECT_FIELD(16U, coro_stat_args, out_contexts_peak);
	EXPECT_FIELD(24U, coro_stat_args, out_events_pending);
	EXPECT_FIELD(32U, coro_stat_args, out_events_total);
	EXPECT_FIELD(40U, coro_stat_args, out_stacks_resident_bytes);
	EXPECT_FIELD(48U, coro_stat_args, out_overflows);
	EXPECT_FIELD(56U, coro_stat_args, out_overflow_id);
}

TEST(finish_args_keep_their_layout)
{
	EXPECT_EQ(24U, sizeof(struct coro_finish_args));
	EXPECT_FIELD(0U, coro_finish_args, size);
	EXPECT_FIELD(4U, coro_finish_args, flags);
	EXPECT_FIELD(8U, coro_finish_args, nr);
	EXPECT_FIELD(12U, coro_finish_args, out_nr);
	EXPECT_FIELD(16U, coro_finish_args, finishes);
	EXPECT_EQ(16U, sizeof(struct coro_finish));
	EXPECT_FIELD(0U, coro_finish, id);
	EXPECT_FIELD(8U, coro_finish, value);
}

TEST(export_args_keep_their_layout)
{
	EXPECT_EQ(24U, sizeof(struct coro_export_args));
	EXPECT_FIELD(0U, coro_export_args, size);
	EXPECT_FIELD(4U, coro_export_args, flags);
	EXPECT_FIELD(8U, coro_export_args, id);
	EXPECT_FIELD(16U, coro_export_args, rights);
	EXPECT_FIELD(20U, coro_export_args, out_fd);
}

TEST(cancel_args_keep_their_layout)
{
	EXPECT_EQ(24U, sizeof(struct coro_cancel_args));
	EXPECT_FIELD(0U, coro_cancel_args, size);
	EXPECT_FIELD(4U, coro_cancel_args, flags);
	EXPECT_FIELD(8U, coro_cancel_args, id);
	EXPECT_FIELD(16U, coro_cancel_args, value);
}

TEST(arguments_about_workers_keep_their_layout)
{
	EXPECT_EQ(24U, sizeof(struct coro_attach_args));
	EXPECT_FIELD(0U, coro_attach_args, size);
	EXPECT_FIELD(4U, coro_attach_args, flags);
	EXPECT_FIELD(8U, coro_attach_args, out_id);
	EXPECT_FIELD(12U, coro_attach_args, out_max_workers);
	EXPECT_FIELD(16U, coro_attach_args, out_word);
	EXPECT_EQ(8U, sizeof(struct coro_detach_args));
	EXPECT_FIELD(0U, coro_detach_args, size);
	EXPECT_FIELD(4U, coro_detach_args, flags);
	EXPECT_EQ(32U, sizeof(struct coro_standby_args));
	EXPECT_FIELD(0U, coro_standby_args, size);
	EXPECT_FIELD(4U, coro_standby_args, flags);
	EXPECT_FIELD(8U, coro_standby_args, deadline_ns);
	EXPECT_FIELD(16U, coro_standby_args, out_id);
	EXPECT_FIELD(20U, coro_standby_args, out_why);
	EXPECT_FIELD(24U, coro_standby_args, out_word);
	EXPECT_EQ(16U, sizeof(struct coro_kick_args));
	EXPECT_FIELD(0U, coro_kick_args, size);
	EXPECT_FIELD(4U, coro_kick_args, flags);
	EXPECT_FIELD(8U, coro_kick_args, id);
	EXPECT_FIELD(12U, coro_kick_args, reserved);
	EXPECT_EQ(1, CORO_STANDBY_BLOCKED);
	EXPECT_EQ(2, CORO_STANDBY_KICKED);
}

TEST(word_of_a_worker_keeps_its_layout)
{
	EXPECT_EQ(8U, sizeof(struct coro_shm_worker));
	EXPECT_FIELD(0U, coro_shm_worker, word);
	EXPECT_EQ(1ULL, CORO_WORKER_BLOCKING);
	EXPECT_EQ(2ULL, CORO_WORKER_USER);
	EXPECT_EQ(4ULL, CORO_WORKER_COUNT);
}

TEST(uring_args_keep_their_layout)
{
	EXPECT_EQ(48U, sizeof(struct coro_uring_args));
	EXPECT_FIELD(0U, coro_uring_args, size);
	EXPECT_FIELD(4U, coro_uring_args, flags);
	EXPECT_FIELD(8U, coro_uring_args, id);
	EXPECT_FIELD(16U, coro_uring_args, deadline_ns);
	EXPECT_FIELD(24U, coro_uring_args, value);
	EXPECT_FIELD(32U, coro_uring_args, addr);
	EXPECT_FIELD(40U, coro_uring_args, nr);
	EXPECT_FIELD(44U, coro_uring_args, reserved);
}

TEST(result_keeps_its_layout)
{
	EXPECT_EQ(16U, sizeof(struct coro_result));
	EXPECT_FIELD(0U, coro_result, value);
	EXPECT_FIELD(8U, coro_result, reserved);
}

TEST(event_keeps_its_layout)
{
	EXPECT_EQ(24U, sizeof(struct coro_event));
	EXPECT_FIELD(0U, coro_event, id);
	EXPECT_FIELD(8U, coro_event, kind);
	EXPECT_FIELD(12U, coro_event, reserved);
	EXPECT_FIELD(16U, coro_event, value);
	EXPECT_EQ(1, CORO_EVENT_MESSAGE);
	EXPECT_EQ(2, CORO_EVENT_CANCEL);
}

TEST(shared_header_keeps_its_layout)
{
	EXPECT_EQ(56U, sizeof(struct coro_shm_header));
	EXPECT_FIELD(0U, coro_shm_header, magic);
	EXPECT_FIELD(4U, coro_shm_header, version);
	EXPECT_FIELD(8U, coro_shm_header, max_contexts);
	EXPECT_FIELD(12U, coro_shm_header, entry_bytes);
	EXPECT_FIELD(16U, coro_shm_header, stack_size_bytes);
	EXPECT_FIELD(24U, coro_shm_header, contexts);
	EXPECT_FIELD(32U, coro_shm_header, events_pending);
	EXPECT_FIELD(40U, coro_shm_header, overflows);
	EXPECT_FIELD(48U, coro_shm_header, overflow_id);
	EXPECT_EQ(0x6f726f63U, CORO_SHM_MAGIC);
	EXPECT_EQ(2, CORO_SHM_VERSION);
}

TEST(shared_context_keeps_its_layout)
{
	EXPECT_EQ(64U, sizeof(struct coro_shm_context));
	EXPECT_FIELD(0U, coro_shm_context, generation);
	EXPECT_FIELD(4U, coro_shm_context, state);
	EXPECT_FIELD(5U, coro_shm_context, reserved);
	EXPECT_FIELD(6U, coro_shm_context, runs);
	EXPECT_FIELD(8U, coro_shm_context, worker);
	EXPECT_FIELD(12U, coro_shm_context, awaits_kind);
	EXPECT_FIELD(16U, coro_shm_context, awaits);
	EXPECT_FIELD(24U, coro_shm_context, sp);
	EXPECT_FIELD(32U, coro_shm_context, entry);
	EXPECT_FIELD(40U, coro_shm_context, origin);
	EXPECT_FIELD(48U, coro_shm_context, name);
	EXPECT_EQ(16, CORO_NAME_LEN);
}

TEST(commands_keep_their_numbers)
{
	EXPECT_EQ(0xC060C200UL, CORO_IOC_SETUP);
	EXPECT_EQ(0xC018C201UL, CORO_IOC_ALLOC);
	EXPECT_EQ(0xC018C202UL, CORO_IOC_FREE);
	EXPECT_EQ(0xC018C203UL, CORO_IOC_WAKE);
	EXPECT_EQ(0xC018C204UL, CORO_IOC_PEAK);
	EXPECT_EQ(0xC040C205UL, CORO_IOC_STAT);
	EXPECT_EQ(0xC018C206UL, CORO_IOC_FINISH);
	EXPECT_EQ(0xC018C207UL, CORO_IOC_EXPORT);
	EXPECT_EQ(0xC018C208UL, CORO_IOC_CANCEL);
	EXPECT_EQ(0xC018C209UL, CORO_IOC_ATTACH);
	EXPECT_EQ(0xC008C20AUL, CORO_IOC_DETACH);
	EXPECT_EQ(0xC020C20BUL, CORO_IOC_STANDBY);
	EXPECT_EQ(0xC010C20CUL, CORO_IOC_KICK);
	EXPECT_EQ(0xC030C220UL, CORO_URING_PARK);
	EXPECT_EQ(0xC030C221UL, CORO_URING_SEND);
	EXPECT_EQ(0xC030C222UL, CORO_URING_JOIN);
	EXPECT_EQ(0xC030C223UL, CORO_URING_CANCEL);
	EXPECT_EQ(0xC030C224UL, CORO_URING_WITHDRAW);
}

TEST(flags_and_limits_keep_their_values)
{
	EXPECT_EQ(1U, CORO_SCHED_F_CLAMP);
	EXPECT_EQ(1ULL, CORO_FEAT_URING_WAIT);
	EXPECT_EQ(2ULL, CORO_FEAT_HANDOFF);
	EXPECT_EQ(1U, CORO_ALLOC_F_DIRECT);
	EXPECT_EQ(1U, CORO_FREE_F_TRIM);
	EXPECT_EQ(1U, CORO_RIGHT_SEND);
	EXPECT_EQ(2U, CORO_RIGHT_JOIN);
	EXPECT_EQ(4U, CORO_RIGHT_CANCEL);
	EXPECT_EQ(8U, CORO_RIGHT_RECV);
	EXPECT_EQ(1U, CORO_EXPORT_F_NONBLOCK);
	EXPECT_EQ(2U, CORO_EXPORT_F_CLOEXEC);
	EXPECT_EQ(INT64_MAX, CORO_NO_DEADLINE);
	EXPECT_EQ(4096, CORO_MAX_BATCH);
	EXPECT_EQ(0x0ULL, CORO_OFF_STACKS);
	EXPECT_EQ(0x100000000000ULL, CORO_OFF_HEADER);
	EXPECT_EQ(0x200000000000ULL, CORO_OFF_TABLE);
	EXPECT_EQ(0x300000000000ULL, CORO_OFF_WORKERS);
}

TEST(states_keep_their_values)
{
	EXPECT_EQ(0, CORO_STATE_FREE);
	EXPECT_EQ(1, CORO_STATE_CREATED);
	EXPECT_EQ(2, CORO_STATE_RUNNING);
	EXPECT_EQ(3, CORO_STATE_SUSPENDED);
	EXPECT_EQ(4, CORO_STATE_CLOSED);
	EXPECT_EQ(0, CORO_AWAITS_NOTHING);
	EXPECT_EQ(1, CORO_AWAITS_RESUME);
	EXPECT_EQ(2, CORO_AWAITS_CONTEXT);
	EXPECT_EQ(3, CORO_AWAITS_TIMER);
	EXPECT_EQ(4, CORO_AWAITS_IO);
	EXPECT_EQ(5, CORO_AWAITS_TURN);
	EXPECT_EQ(6, CORO_AWAITS_MESSAGE);
	EXPECT_EQ(7, CORO_AWAITS_HANDLE);
	EXPECT_EQ(8, CORO_AWAITS_LOCK);
	EXPECT_EQ(9, CORO_AWAITS_EVENT);
	EXPECT_EQ(10, CORO_AWAITS_QUEUE);
	EXPECT_EQ(11, CORO_AWAITS_GROUP);
	EXPECT_EQ(12, CORO_AWAITS_BLOCKING);
}

TEST(an_id_is_a_generation_above_an_index)
{
	EXPECT_EQ(0x89abcdefU, CORO_INDEX(0x0123456789abcdefULL));
	EXPECT_EQ(0x01234567U, CORO_GENERATION(0x0123456789abcdefULL));
}

TEST_HARNESS_MAIN
