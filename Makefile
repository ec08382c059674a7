# SPDX-License-Identifier: GPL-2.0
# Verbs; the work is done in the folders. All that is built is in build/.

# Without KERNEL: all of .ci/kernels where more than one makes sense, else the first.
asked := $(KERNEL)
KERNEL ?= $(if $(DEBUG),7.2,6.1)
ifneq ($(DEBUG),)
override KERNEL := $(KERNEL)-debug
asked := $(KERNEL)
endif
PREFIX ?= /usr/local
B := $(CURDIR)/build
RUN = selftests/run $(if $(asked),--kernel $(asked)) $(if $(TESTS),--only '$(TESTS)')

ifneq ($(words $(CURDIR)),1)
$(error make cannot work in a path with spaces: $(CURDIR))
endif

# Only what needs them asks the cache, once.
harness = $(eval harness := $(shell .ci/cache source 6.1)/tools/testing/selftests)$(harness)
uring = $(eval uring := $(shell .ci/cache uring-arm64))$(uring)
headers = $(if $(findstring /,$(KERNEL)),$(KERNEL),$(shell .ci/cache kernel $(KERNEL))/headers)
running := /lib/modules/$(shell uname -r)/build
TESTBUILD = $(MAKE) -C selftests SELFTESTS=$(harness) USERCFLAGS=-Werror

no-ring = $$(MAKEFLAGS= $(MAKE) -s -C selftests SELFTESTS=$(harness) LIBCORO=. list-no-ring)

all: lib examples tools
	+@if [ -e $(running)/Makefile ]; then .ci/build-module $$(uname -r) $(running); \
	else echo "no headers of the running kernel: the module is not built"; fi

help:
	@echo 'make            library, examples, coroctl, and the module if the running kernel has headers'
	@echo 'make demo       boot a virtual machine, load the module, run the examples on it'
	@echo 'make check      all tests; ends with: N passed, N failed, N skipped'
	@echo 'make vmtest     only the tests in the machine; TESTS=lib/x_test picks, KERNEL=6.1,'
	@echo '                6.12 or 7.2, DEBUG=1 for one that checks locks and memory'
	@echo 'make unit       only the library here, without the device; TESTS= picks'
	@echo 'make san        the same with the address and undefined behaviour sanitizers'
	@echo 'make tsan       the same with the thread sanitizer'
	@echo 'make lint       only the checks of the sources'
	@echo 'make bench      measure'
	@echo 'make module     coro.ko for KERNEL, in build/module/; NO_HANDOFF=1 for one that'
	@echo '                uses no preempt notifiers'
	@echo 'make man        the manual pages of the library, in build/man/'
	@echo 'make install    library, headers, coroctl, manuals; PREFIX=/usr/local, DESTDIR='
	@echo 'make clean      remove build/; what was fetched stays in the cache, see .ci/cache'

packages:
	@.ci/install-packages

demo: packages
	@$(RUN) show

check: packages
	@$(RUN)

vmtest: asked = $(KERNEL)
vmtest: packages
	@$(RUN) vm

unit: packages
	@$(RUN) unit

san: packages
	@$(RUN) san

asan ubsan: san

tsan: packages
	@$(RUN) tsan

lint: packages
	@$(RUN) lint

lib:
	$(MAKE) -C userlib O=$(B)/lib

lib-san:
	$(MAKE) -C userlib O=$(B)/lib-san SAN=address,undefined

lib-tsan:
	$(MAKE) -C userlib O=$(B)/lib-tsan SAN=thread

man:
	man/generate $(B)/man --version $$($(MAKE) -s -C userlib version)

# SystemTap's header is for all machines, and where only the compiler for this one looks.
lib-aarch64:
	$(MAKE) -C userlib O=$(B)/lib-aarch64 CROSS_COMPILE=aarch64-linux-gnu- \
		URING_CFLAGS='-I$(uring)/usr/include -idirafter /usr/include/$(shell gcc -print-multiarch)' \
		URING_LIBS=-L$(uring)/usr/lib

# Without elfutils' headers only the library is to be had.
tools:
	+@if printf '\043include <elfutils/libdwfl.h>' | $(CC) -E - >/dev/null 2>&1; \
	then $(MAKE) -C tools O=$(B)/tools; else echo "no libdw-dev: coroctl is not built"; fi

examples: lib
	$(MAKE) -C examples O=$(B)/examples LIB=$(B)/lib

module:
	+.ci/build-module $(notdir $(KERNEL))$(if $(NO_HANDOFF),-no-handoff) $(headers) \
		KCFLAGS='-Werror $(if $(NO_HANDOFF),-DCORO_NO_HANDOFF)'

tests: lib
	+$(TESTBUILD) OUTPUT=$(B)/selftests/static LIBCORO=$(B)/lib STATIC=1

test-init:
	+$(TESTBUILD) OUTPUT=$(B)/selftests/static STATIC=1 ONLY=vm/init

tests-san: lib-san
	+$(TESTBUILD) OUTPUT=$(B)/selftests/san LIBCORO=$(B)/lib-san SAN=address,undefined

tests-tsan: lib-tsan
	+$(TESTBUILD) OUTPUT=$(B)/selftests/tsan LIBCORO=$(B)/lib-tsan SAN=thread

tests-valgrind: lib
	+$(TESTBUILD) OUTPUT=$(B)/selftests/valgrind LIBCORO=$(B)/lib ONLY="$(no-ring)"

# The same program with either form of the library.
tests-gdb: lib
	mkdir -p $(B)/selftests/gdb
	gcc -O2 -g -Wall -Werror -Iuserlib/include -Iuapi selftests/gdb/chain.c $(B)/lib/libcoro.a \
		-luring -lpthread -o $(B)/selftests/gdb/chain_static
	gcc -O2 -g -Wall -Werror -Iuserlib/include -Iuapi selftests/gdb/chain.c $(B)/lib/libcoro.so \
		-Wl,-rpath,$(B)/lib -o $(B)/selftests/gdb/chain_shared

# With frame pointers, which the library always has.
tests-perf: lib
	mkdir -p $(B)/selftests/perf
	gcc -O2 -g -Wall -Werror -fno-omit-frame-pointer -Iuserlib/include -Iuapi selftests/perf/spin.c \
		$(B)/lib/libcoro.a -luring -lpthread -o $(B)/selftests/perf/spin_static
	gcc -O2 -g -Wall -Werror -fno-omit-frame-pointer -Iuserlib/include -Iuapi selftests/perf/spin.c \
		$(B)/lib/libcoro.so -Wl,-rpath,$(B)/lib -o $(B)/selftests/perf/spin_shared

tests-probes: lib
	mkdir -p $(B)/selftests/probes
	gcc -O2 -g -Wall -Werror -Iuserlib/include -Iuapi selftests/probes/traced.c $(B)/lib/libcoro.a \
		-luring -lpthread -o $(B)/selftests/probes/traced_static
	gcc -O2 -g -Wall -Werror -Iuserlib/include -Iuapi selftests/probes/traced.c $(B)/lib/libcoro.so \
		-Wl,-rpath,$(B)/lib -o $(B)/selftests/probes/traced_shared

# The same program with either form of the library, and one that nothing is left in to name.
tests-tools: lib tools examples
	mkdir -p $(B)/selftests/tools
	gcc -O2 -g -Wall -Werror -Iuserlib/include -Iuapi selftests/tools/target.c $(B)/lib/libcoro.a \
		-luring -lpthread -o $(B)/selftests/tools/target_static
	gcc -O2 -g -Wall -Werror -Iuserlib/include -Iuapi selftests/tools/target.c $(B)/lib/libcoro.so \
		-Wl,-rpath,$(B)/lib -o $(B)/selftests/tools/target_shared
	strip -s -o $(B)/selftests/tools/target_stripped $(B)/selftests/tools/target_static

tests-aarch64: lib-aarch64
	+$(TESTBUILD) OUTPUT=$(B)/selftests/aarch64 LIBCORO=$(B)/lib-aarch64 STATIC=1 \
		CROSS_COMPILE=aarch64-linux-gnu- URING=$(uring) \
		ONLY="$(no-ring)"

bench: lib
	@.ci/install-packages --bench
	$(MAKE) -C bench O=$(B)/bench LIB=$(B)/lib

install: lib tools man
	$(MAKE) -C userlib O=$(B)/lib PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) install
	if [ -e $(B)/tools/coroctl ]; then \
		$(MAKE) -C tools O=$(B)/tools PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) install; fi
	install -D -m 644 uapi/linux/coro.h $(DESTDIR)$(PREFIX)/include/linux/coro.h
	install -d $(DESTDIR)$(PREFIX)/share/man/man3
	install -m 644 $(B)/man/*.3 $(DESTDIR)$(PREFIX)/share/man/man3/
	$(foreach page,$(wildcard man/*.[1-9]),install -D -m 644 $(page) \
		$(DESTDIR)$(PREFIX)/share/man/man$(subst .,,$(suffix $(page)))/$(notdir $(page)) &&) true

clean:
	rm -rf $(B)

.PHONY: all help man packages demo check vmtest unit san asan ubsan tsan lint lib lib-san lib-tsan \
	lib-aarch64 examples tools module tests test-init tests-san tests-tsan tests-valgrind tests-gdb tests-perf tests-probes tests-tools tests-aarch64 \
	bench install clean
