// SPDX-License-Identifier: GPL-2.0
/* For the test of the runner: a program that skips, which nothing allows it to. */
#include "kselftest_harness.h"

TEST(is_skipped)
{
	SKIP(return, "to see it counted");
}

TEST_HARNESS_MAIN
