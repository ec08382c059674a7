// SPDX-License-Identifier: GPL-2.0
/* For the test of the runner: a program that passes. */
#include "kselftest_harness.h"

TEST(one_is_one)
{
	EXPECT_EQ(1, 1);
}

TEST(two_is_two)
{
	EXPECT_EQ(2, 2);
}

TEST_HARNESS_MAIN
