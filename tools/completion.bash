# SPDX-License-Identifier: MIT
# Completion of coroctl in bash: commands, options, and processes that have coroutines.
# shellcheck shell=bash

_coroctl()
{
	local cur=${COMP_WORDS[COMP_CWORD]}
	local command=${COMP_WORDS[1]}
	local own=

	case $cur in
	-*)
		[ "$command" = leaks ] && own=--seconds
		[ "$command" = stack ] && own=--running
		[ "$command" = top ] && own='--seconds --count'
		mapfile -t COMPREPLY < <(compgen -W "--json $own --help --version" -- "$cur")
		return
		;;
	esac
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W 'ps tree stack leaks stat top' -- "$cur")
	elif [ "$command" = stack ] && [ "$COMP_CWORD" -gt 2 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(coroctl ps "${COMP_WORDS[2]}" 2>/dev/null |
			awk 'NR > 1 { sub(".*:", "", $3); print $3 }')" -- "$cur")
	else
		mapfile -t COMPREPLY < <(compgen -W "$(coroctl ps 2>/dev/null |
			awk 'NR > 1 { print $1 }' | sort -u)" -- "$cur")
	fi
}

complete -F _coroctl coroctl
