#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The built examples, from outside: needs only busybox, curl and wrk.
#
# usage: examples_test.sh DIRECTORY_WITH_THE_BUILT_EXAMPLES
# shellcheck disable=SC2015,SC3045

here=${1:?usage: examples_test.sh DIRECTORY_WITH_THE_BUILT_EXAMPLES}
dir=$(mktemp -d) || exit 1
root=$dir/root
server=
nr=0
failed=0
trap 'test -z "$server" || kill -KILL $server; rm -rf "$dir"' EXIT

# Runs one case: a function that is true if the sentence holds.
t()
{
	nr=$((nr + 1))
	if "$1" >"$dir/log" 2>&1; then
		echo "ok $nr $1"
	else
		sed 's/^/# /' "$dir/log"
		echo "not ok $nr $1"
		failed=$((failed + 1))
	fi
}

skip()
{
	nr=$((nr + 1))
	echo "ok $nr $1 # SKIP $2"
}

# start [LIMIT_OF_DESCRIPTORS]: a server on a free port; sets server, port, url.
start()
{
	: >"$dir/out"
	(
		test -z "$1" || ulimit -n "$1"
		exec "$here/http_server" -p 0 -t 3 "$root"
	) >"$dir/out" 2>"$dir/err" &
	server=$!
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		port=$(sed -n 's/^listening on 127.0.0.1://p' "$dir/out")
		test -z "$port" || break
		kill -0 "$server" || break
		sleep 1
	done
	url=http://127.0.0.1:$port
	test -n "$port" || cat "$dir/err"
	test -n "$port"
}

# Ends the server with signal $1: must be soon, with status 0 and figures.
stop()
{
	begun=$(date +%s)
	kill "-$1" $server
	wait $server
	rc=$?
	server=
	cat "$dir/out" "$dir/err"
	test $rc -eq 0 && test $(($(date +%s) - begun)) -le 5 &&
		grep -q '^contexts_peak [1-9]' "$dir/out"
}

figure()
{
	sed -n "s/^$1 //p" "$dir/out"
}

# Everything that the server answers to the bytes of standard input.
raw()
{
	busybox nc 127.0.0.1 "$port" | tr -d '\r'
}

# A client that says nothing, until the server ends it or $1 seconds passed.
mute()
{
	fifo=$(mktemp -u "$dir/fifo.XXXXXX")
	mkfifo "$fifo" || return 1
	sleep "$1" >"$fifo" &
	busybox nc 127.0.0.1 "$port" <"$fifo"
	kill $! 2>/dev/null
}

# answers STATUS BYTES: the first status line for a printf format of a request.
answers()
{
	# shellcheck disable=SC2059
	got=$(printf "$2" | raw | head -n 1)
	test "$got" = "HTTP/1.1 $1" || {
		echo "wanted '$1' but got '$got' for: $2"
		false
	}
}

# A 503 for want of descriptors is an answer too: then it is asked again.
alive()
{
	test "$(curl -sf -m 60 --retry 9 "$url/1")" = a || {
		echo 'no answer any more'
		false
	}
}

make_root()
{
	mkdir -p "$root/sub" "$root/empty" || return 1
	: >"$root/0"
	printf a >"$root/1"
	head -c 3000001 /dev/urandom >"$root/3000001"
	head -c 4095 "$root/3000001" >"$root/4095"
	head -c 65536 "$root/3000001" >"$root/65536"
	echo index >"$root/index.html"
	echo sub >"$root/sub/index.html"
	echo 'with space' >"$root/a b.txt"
	echo secret >"$dir/secret"
	echo locked >"$root/locked"
	ln -s ../secret "$root/out_link"
	ln -s / "$root/root_link"
	ln -s 1 "$root/in_link"
	ln -s loop "$root/loop"
	mkfifo "$root/fifo"
}

fetch_data_prints_both_lines_and_takes_two_seconds()
{
	begun=$(date +%s)
	"$here/fetch_data" >"$dir/fetched" || return 1
	cat "$dir/fetched"
	test $(($(date +%s) - begun)) -ge 1 &&
		printf 'Fetching data...\nData retrieved\n' | cmp - "$dir/fetched"
}

fetch_data_says_what_to_do_when_it_cannot_run()
{
	CORO_BACKEND=neither "$here/fetch_data" >"$dir/fetched" 2>&1 && return 1
	cat "$dir/fetched"
	grep -q CORO_BACKEND "$dir/fetched"
}

wrong_arguments_are_explained()
{
	for args in '' '-p' '-p 65536 /' '-p x /' '-t 0 /' '-a nowhere /' '-z /' '/ /'; do
		# shellcheck disable=SC2086
		"$here/http_server" $args >"$dir/usage" 2>&1
		test $? -eq 2 && grep -q '^usage:' "$dir/usage" || {
			echo "arguments: $args"
			return 1
		}
	done
	"$here/http_server" --help | grep -q '^usage:' || return 1
	"$here/http_server" "$dir/nothing" 2>"$dir/usage"
	test $? -eq 1 && grep -q 'name a directory' "$dir/usage"
}

server_starts()
{
	start
}

files_arrive_byte_for_byte()
{
	for f in 0 1 4095 65536 3000001; do
		curl -sf -m 60 -o "$dir/got" "$url/$f" || return 1
		cmp "$dir/got" "$root/$f" || return 1
	done
}

directories_give_their_index()
{
	test "$(curl -s "$url/")" = index && test "$(curl -s "$url/sub")" = sub &&
		test "$(curl -s "$url/sub/")" = sub &&
		curl -sI "$url/sub/" | grep -q '^Content-Type: text/html' &&
		answers '404 Not Found' 'GET /empty/ HTTP/1.0\r\n\r\n'
}

names_are_decoded_and_queries_ignored()
{
	test "$(curl -s "$url/a%20b.txt?x=1/../2")" = 'with space' &&
		test "$(curl -s "$url/%73ub/./../in_link")" = a &&
		curl -sI "$url/a%20b.txt" | grep -q '^Content-Type: text/plain' &&
		answers '200 OK' 'GET http://h/1 HTTP/1.1\r\nHost: h\r\n\r\n' &&
		answers '200 OK' 'GET http://h?q HTTP/1.1\r\nHost: h\r\n\r\n'
}

head_gives_the_length_and_no_body()
{
	test "$(printf 'HEAD /65536 HTTP/1.0\r\n\r\n' | raw |
		sed -n 's/^Content-Length: //p;$p')" = 65536 &&
		test -z "$(printf 'HEAD /none HTTP/1.0\r\n\r\n' | raw | sed '1,/^$/d')"
}

connections_are_kept_and_used_again()
{
	curl -s -w '%{num_connects}\n' -o "$dir/got" -o "$dir/got" -o "$dir/got" \
		"$url/1" "$url/none" "$url/0" >"$dir/connects"
	cat "$dir/connects"
	test "$(tr '\n' ' ' <"$dir/connects")" = '1 0 0 ' &&
		test "$(curl -s0 -w '%{num_connects}' "$url/1" "$url/1")" = a1a1
}

pipelined_requests_are_answered_in_order()
{
	printf 'GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /none HTTP/1.1\r\nHost: h\r\n\r\nHEAD /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /4095 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /1 HTTP/1.1\r\nHost: h\r\n\r\n' |
		raw >"$dir/got"
	grep -a -o 'HTTP/1.1 ... ' "$dir/got"
	test "$(grep -a -o 'HTTP/1.1 ... ' "$dir/got" | tr -d '\n')" = \
		'HTTP/1.1 200 HTTP/1.1 404 HTTP/1.1 200 HTTP/1.1 200 ' &&
		test "$(grep -a -c '^Connection: close' "$dir/got")" = 1
}

old_clients_are_kept_only_if_they_ask()
{
	printf 'GET /1 HTTP/1.0\r\n\r\n' | raw | grep -q '^Connection: close' &&
		printf 'GET /1 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n' |
		raw | grep -q '^Connection: keep-alive'
}

malformed_requests_get_400()
{
	s='400 Bad Request'
	h='Host: h\r\n'
	answers "$s" 'GET\r\n\r\n' &&
		answers "$s" 'GET /\r\n\r\n' &&
		answers "$s" 'GET  HTTP/1.1\r\nHost: h\r\n\r\n' &&
		answers "$s" 'GET  / HTTP/1.1\r\nHost: h\r\n\r\n' &&
		answers "$s" ' GET / HTTP/1.1\r\nHost: h\r\n\r\n' &&
		answers "$s" 'GET / HTTP/1.1 \r\nHost: h\r\n\r\n' &&
		answers "$s" 'GET / HTTP/11\r\nHost: h\r\n\r\n' &&
		answers "$s" 'GET / http/1.1\r\nHost: h\r\n\r\n' &&
		answers "$s" 'G(T / HTTP/1.1\r\nHost: h\r\n\r\n' &&
		answers "$s" 'GET 1 HTTP/1.1\r\nHost: h\r\n\r\n' &&
		answers "$s" 'GET /%%2 HTTP/1.0\r\n\r\n' &&
		answers "$s" 'GET /%%zz HTTP/1.0\r\n\r\n' &&
		answers "$s" 'GET /1%%00 HTTP/1.0\r\n\r\n' &&
		answers "$s" 'GET / HTTP/1.0\n\n' &&
		answers "$s" 'GET / HTTP/1.0\r\nA: \r b\r\n\r\n' &&
		answers "$s" "GET / HTTP/1.1\r\n${h}No colon\r\n\r\n" &&
		answers "$s" "GET / HTTP/1.1\r\n${h}Space : x\r\n\r\n" &&
		answers "$s" "GET / HTTP/1.1\r\n${h}A: x\r\n folded\r\n\r\n" &&
		answers "$s" "GET / HTTP/1.1\r\n${h}A: x\001\r\n\r\n" &&
		answers "$s" "GET / HTTP/1.1\r\n${h}: x\r\n\r\n"
}

host_is_required_once_in_http_1_1()
{
	answers '400 Bad Request' 'GET / HTTP/1.1\r\n\r\n' &&
		answers '400 Bad Request' \
			'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n' &&
		answers '200 OK' 'GET / HTTP/1.1\r\nhOST:\r\n\r\n' &&
		answers '200 OK' '\r\n\r\nGET / HTTP/1.0\r\n\r\n'
}

confusing_lengths_get_400()
{
	h='POST / HTTP/1.1\r\nHost: h\r\n'
	for l in 'Content-Length: -1' 'Content-Length: 1, 1' 'Content-Length:' \
		'Content-Length: 0x1' 'Content-Length: 1\r\nContent-Length: 1' \
		'Content-Length: 1\r\nTransfer-Encoding: chunked'; do
		answers '400 Bad Request' "$h$l\r\n\r\n" || return 1
	done
	answers '400 Bad Request' \
		'GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n' &&
		answers '413 Content Too Large' \
			"${h}Content-Length: 99999999999999999999\r\n\r\n"
}

what_is_not_served_gets_its_status()
{
	answers '404 Not Found' 'GET /none HTTP/1.0\r\n\r\n' &&
		answers '404 Not Found' 'GET /1/ HTTP/1.0\r\n\r\n' &&
		answers '403 Forbidden' 'GET /fifo HTTP/1.0\r\n\r\n' &&
		answers '403 Forbidden' 'GET /loop HTTP/1.0\r\n\r\n' &&
		answers '405 Method Not Allowed' 'POST /1 HTTP/1.0\r\n\r\n' &&
		answers '501 Not Implemented' 'BREW /1 HTTP/1.0\r\n\r\n' &&
		answers '501 Not Implemented' \
			'GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n' &&
		answers '505 HTTP Version Not Supported' 'GET / HTTP/2.0\r\n\r\n' &&
		printf 'PUT /1 HTTP/1.0\r\n\r\n' | raw | grep -q '^Allow: GET, HEAD$'
}

unreadable_files_get_403()
{
	chmod 0 "$root/locked"
	# Root reads everything: then it is served.
	test -r "$root/locked" || answers '403 Forbidden' 'GET /locked HTTP/1.0\r\n\r\n'
}

long_heads_get_431_and_long_targets_414()
{
	long=$(head -c 9000 /dev/zero | tr '\0' x)
	answers '431 Request Header Fields Too Large' \
		"GET / HTTP/1.1\r\nHost: h\r\nA: $long\r\n\r\n" &&
		answers '414 URI Too Long' "GET /$long HTTP/1.1\r\nHost: h\r\n\r\n" &&
		answers '404 Not Found' "GET /$(head -c 5000 /dev/zero | tr '\0' x) HTTP/1.0\r\n\r\n"
}

nothing_leads_out_of_the_root()
{
	up=..
	for _ in 1 2 3 4 5 6 7 8; do
		up=$up/..
	done
	for p in "/$up$dir/secret" /../secret /sub/../../secret /out_link \
		"/root_link$dir/secret" "//$dir/secret" /%2e%2e/secret \
		/%2e%2e%2fsecret /..%2fsecret "/sub/%2E%2E/$up/secret" \
		"/root_link/../../secret" '/..\secret' /.%2e/.%2e/secret; do
		got=$(printf 'GET %s HTTP/1.0\r\n\r\n' "$p" | raw)
		case $got in
		*secret*|*'200 OK'*|'')
			echo "$p: $got"
			return 1
		esac
	done
}

bodies_do_not_become_requests()
{
	printf 'GET /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\nGET /0 HTTP/1.0\r\n\r\n' |
		raw >"$dir/got"
	cat "$dir/got"
	test "$(grep -c 'HTTP/1.1 ' "$dir/got")" = 1 &&
		grep -q '^Connection: close' "$dir/got" &&
		test "$(curl -s -m 60 -o "$dir/got" -w '%{http_code}' -T "$root/3000001" "$url/1")" = 405
}

requests_may_come_in_pieces()
{
	test "$({
		printf 'GE'
		sleep 1
		printf 'T /1 HTTP/1.1\r\nHo'
		sleep 1
		printf 'st: h\r\nConnection: close\r\n\r'
		sleep 0
		printf '\n'
	} | raw | tail -n 1)" = a
}

slow_requests_are_ended_with_408()
{
	test "$({
		printf 'GET /1'
		for _ in 1 2 3 4 5 6; do
			sleep 1
			printf 1
		done
	} | raw | head -n 1)" = 'HTTP/1.1 408 Request Timeout'
}

idle_connections_are_closed_without_a_word()
{
	begun=$(date +%s)
	mute 20 >"$dir/got"
	test ! -s "$dir/got" && test $(($(date +%s) - begun)) -lt 15
}

clients_that_leave_early_do_no_harm()
{
	for _ in 1 2 3 4 5 6 7 8; do
		curl -s "$url/3000001" | head -c 1000 >"$dir/got"
		printf 'GET /1' | raw
		: | raw
	done
	kill -0 "$server" && alive
}

sigterm_ends_the_server_with_its_figures()
{
	mute 20 &
	idle=$!
	sleep 1
	stop TERM && test "$(figure connections)" -gt 50 &&
		test "$(figure requests)" -gt 50 && test "$(figure refused)" -gt 20 &&
		test "$(figure accept_errors)" -eq 0 && wait $idle
}

running_out_of_descriptors_is_survived()
{
	start 16 || return 1
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
			mute 9 &
		done
		sleep 1
		! grep -q 'ulimit -n' "$dir/err" || break
	done
	alive && stop INT && grep -q 'ulimit -n' "$dir/err" &&
		test "$(figure accept_errors)" -gt 0
}

sixty_four_busy_connections_get_answers_only()
{
	start || return 1
	for f in 1 4095 65536; do
		wrk -t2 -c64 -d2s --timeout 20s "$url/$f" >"$dir/wrk" 2>&1 || return 1
		cat "$dir/wrk"
		! grep -q -e 'Socket errors' -e 'Non-2xx' "$dir/wrk" || return 1
	done
	alive
}

sigterm_under_load_ends_the_server()
{
	wrk -t2 -c64 -d4s "$url/65536" >"$dir/wrk" 2>&1 &
	load=$!
	sleep 2
	stop TERM || return 1
	wait $load
	test "$(figure requests)" -gt 0
}

worker_pool_says_that_it_needs_the_device()
{
	CORO_BACKEND=portable "$here/worker_pool" 2>"$dir/usage"
	test $? -eq 1 && grep -q 'needs /dev/coro' "$dir/usage"
}

resolver_shows_addresses_in_any_order_and_what_has_none()
{
	"$here/resolver" 127.0.0.1 ::1 >"$dir/out" || return 1
	sort "$dir/out" >"$dir/sorted"
	printf '%s: %s\n' 127.0.0.1 127.0.0.1 ::1 ::1 | cmp - "$dir/sorted" || return 1
	"$here/resolver" 127.0.0.1 300.300.300.300 >"$dir/out"
	test $? -eq 1 && grep -qx '127.0.0.1: 127.0.0.1' "$dir/out" &&
		grep -q '^300.300.300.300: ' "$dir/out" || return 1
	! "$here/resolver" 2>"$dir/usage" && grep -q 'resolver NAME' "$dir/usage"
}

make_root || exit 1
echo 'TAP version 13'
echo 1..29
t fetch_data_prints_both_lines_and_takes_two_seconds
t fetch_data_says_what_to_do_when_it_cannot_run
t wrong_arguments_are_explained
t worker_pool_says_that_it_needs_the_device
t resolver_shows_addresses_in_any_order_and_what_has_none
t server_starts
t files_arrive_byte_for_byte
t directories_give_their_index
t names_are_decoded_and_queries_ignored
t head_gives_the_length_and_no_body
t connections_are_kept_and_used_again
t pipelined_requests_are_answered_in_order
t old_clients_are_kept_only_if_they_ask
t malformed_requests_get_400
t host_is_required_once_in_http_1_1
t confusing_lengths_get_400
t what_is_not_served_gets_its_status
t unreadable_files_get_403
t long_heads_get_431_and_long_targets_414
t nothing_leads_out_of_the_root
t bodies_do_not_become_requests
t requests_may_come_in_pieces
t slow_requests_are_ended_with_408
t idle_connections_are_closed_without_a_word
t clients_that_leave_early_do_no_harm
t sigterm_ends_the_server_with_its_figures
t running_out_of_descriptors_is_survived
if command -v wrk >/dev/null; then
	t sixty_four_busy_connections_get_answers_only
	t sigterm_under_load_ends_the_server
else
	skip sixty_four_busy_connections_get_answers_only 'wrk is not installed'
	skip sigterm_under_load_ends_the_server 'wrk is not installed'
fi
test $failed -eq 0
