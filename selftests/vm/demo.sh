#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The demonstration, inside the virtual machine: the examples on /dev/coro, in KTAP.
# shellcheck disable=SC2317 # functions are called through holds() and wait_for()
set -u

SECONDS_OF_LOAD=${1:-10}
CONNECTIONS=64
PORT=8080
URL=http://127.0.0.1:$PORT
case_nr=0
failed=0

# Reports one case: its name, then the command that must succeed.
holds()
{
	name=$1
	shift
	case_nr=$((case_nr + 1))
	if "$@"; then
		echo "ok $case_nr $name"
	else
		echo "not ok $case_nr $name"
		failed=1
	fi
}

say()
{
	echo "# $*"
}

show()
{
	sed 's/^/#     /' "$1"
}

# Waits some seconds for a command to succeed.
wait_for()
{
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ "$tries" -lt 300 ] || return 1
		usleep 100000
	done
}

# The number after a word at the start of a line of a file.
number()
{
	sed -n "s/^$1:\?[ \t]\+//p" "$2"
}

fetched()
{
	printf 'Fetching data...\nData retrieved\n' | cmp - fetched.txt
}

same_bytes()
{
	curl -sS -m 30 -o got "$URL/$1" && cmp "www/$1" got
}

answers()
{
	[ "$(curl -sS -m 30 -o got -w '%{http_code}' "$URL/$2")" = "$1" ]
}

refuses_nonsense()
{
	printf 'NONSENSE\r\n\r\n' | nc -w 10 127.0.0.1 "$PORT" >got
	head -n 1 got | grep -q '^HTTP/1.1 400 '
}

# The scheduler is the open file of the server whose fdinfo has our keys.
fdinfo()
{
	cat /proc/"$server"/fdinfo/* 2>/dev/null | grep '^coro-'
}

many_contexts()
{
	fdinfo >fdinfo.txt
	[ "$(number coro-contexts fdinfo.txt)" -ge "$CONNECTIONS" ]
}

loaded()
{
	[ "$(sed -n 's/^ *\([0-9]*\) requests in.*/\1/p' wrk.txt)" -gt 0 ]
}

no_errors()
{
	! grep -E 'Socket errors|Non-2xx' wrk.txt
}

ends_well()
{
	kill -TERM "$server"
	wait "$server"
}

mkdir -p www
echo 'Hello from a coroutine.' >www/hello.txt
dd if=/dev/urandom of=www/large.bin bs=64k count=64 2>/dev/null
: >www/empty.txt

echo 'TAP version 13'
echo 1..16
say "Linux $(uname -r), $(wc -c </coro.ko) bytes of coro.ko loaded"

say
say '$ fetch_data'
/fetch_data >fetched.txt
fetch_status=$?
show fetched.txt
holds 'fetch_data ends with 0' [ $fetch_status -eq 0 ]
holds 'fetch_data prints its two lines' fetched

say
say "\$ http_server -p $PORT www"
/http_server -p $PORT www >server.txt 2>&1 &
server=$!
holds 'http_server listens' wait_for grep -q '^listening on ' server.txt
show server.txt

say
say "\$ curl $URL/..."
holds 'curl gets a small file, byte for byte' same_bytes hello.txt
holds 'curl gets 4 MiB, byte for byte' same_bytes large.bin
holds 'curl gets an empty file' same_bytes empty.txt
holds 'a file that is not there is 404' answers 404 nothing.txt
holds 'what is no HTTP is 400' refuses_nonsense

say
say "\$ wrk -t 1 -c $CONNECTIONS -d ${SECONDS_OF_LOAD}s $URL/hello.txt"
wrk -t 1 -c $CONNECTIONS -d "${SECONDS_OF_LOAD}s" $URL/hello.txt >wrk.txt 2>&1 &
load=$!
holds "the kernel sees a context per connection" wait_for many_contexts
say "the scheduler meanwhile, in /proc/$server/fdinfo:"
show fdinfo.txt
wait $load
show wrk.txt
holds 'requests were answered' loaded
holds 'no request failed' no_errors

say
say "\$ kill -TERM $server"
holds 'http_server ends with 0' ends_well
show server.txt
holds 'it ran on the device' grep -q '^backend device$' server.txt
holds 'it counted a coroutine per connection' [ "$(number connections server.txt)" -ge $CONNECTIONS ]

say
say '$ worker_pool'
/worker_pool >pool.txt 2>&1
pool_status=$?
show pool.txt
holds 'worker_pool loses no request but those of the worker that it kills' [ $pool_status -eq 0 ]
holds 'worker_pool says how many those were' grep -q ' answered, [1-9][0-9]* lost ' pool.txt
exit $failed
