#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# deps.sh - names what of the given lists (run, check, extra; see deps.txt) is missing, and
# installs it with apt-get, through sudo when not root. With DEPS=no it installs nothing: if
# something is missing it prints the command that would, and fails.
#
# On a machine without dpkg nothing can be installed from here: it goes on if the tools and
# libraries are found by pkg-config, by name or by their headers, and otherwise says what to get.
set -u

cd "$(dirname "$0")/.." || exit 1

# Does the compiler find a header?
has_header()
{
	echo "#include <$1>" | "${CC:-cc}" -E -x c - >/dev/null 2>&1
}

# Is a dependency there, by its probe?
found()
{
	local what=${1#*:}

	case $1 in
	cmd:*) command -v "$what" >/dev/null ;;
	pc:*) pkg-config --exists "$what" 2>/dev/null ;;
	h:*) has_header "$what" ;;
	py:*) python3 -c "import $what" 2>/dev/null ;;
	*) echo "ci/deps.txt: no such probe: $1" >&2 && exit 1 ;;
	esac
}

installed()
{
	dpkg-query -W -f='${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

command -v dpkg-query >/dev/null && dpkg=yes || dpkg=no
missing=()
for list in "$@"; do
	lacking=()
	while read -r in_list package probe reason; do
		[ "$in_list" = "$list" ] || continue
		if [ "$dpkg" = yes ]; then
			installed "$package" && continue
		else
			found "$probe" && continue
		fi
		lacking+=("$package")
		printf 'missing (to %s): %-20s %s\n' "$list" "$package" "$reason" >&2
	done < <(grep -v '^#' ci/deps.txt)
	missing+=("${lacking[@]}")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$dpkg" = no ]; then
	echo "This is not a Debian machine: install what is listed above with its own packages" \
		"(the names are Debian's), then run make again." >&2
	exit 1
fi

install=(apt-get -y --no-install-recommends install "${missing[@]}")
if [ "${DEPS:-yes}" = no ]; then
	echo "To install it: apt-get update && ${install[*]}" >&2
	exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "Neither root nor sudo. As root: apt-get update && ${install[*]}" >&2
		exit 1
	fi
	as_root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
echo "Installing: ${missing[*]}" >&2
# A stale or partly unreachable index may still do: the installation decides.
"${as_root[@]}" apt-get -q update >&2 || echo "apt-get update failed; trying all the same" >&2
if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}" >&2; then
	echo "Could not install: ${missing[*]}" >&2
	exit 1
fi
