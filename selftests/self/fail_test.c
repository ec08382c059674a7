// SPDX-License-Identifier: GPL-2.0
/* For the test of the runner: a program with one case that fails. */
#include "kselftest_harness.h"

TEST(one_is_one)
{
	EXPECT_EQ(1, 1);
}

TEST(one_is_two)
{
	EXPECT_EQ(1, 2);
}

TEST_HARNESS_MAIN
