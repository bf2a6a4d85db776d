# Which packages the scripts of tools/ take for installed: those of this machine's architecture, or of the one that a name says. dpkg,
# dpkg-query and apt-get are stubs: dpkg-query prints what $dir/packages has, and apt-get keeps what it is to install.
# SPDX-License-Identifier: BSD-2-Clause

. "$(dirname "$0")/lib.sh"
packages=$(cd "$(dirname "$0")/../../tools/lib" && pwd)/packages.sh

mkdir "$dir/bin"
stub()
{
	{ echo '#!/bin/sh'; cat; } >"$dir/bin/$1"
	chmod +x "$dir/bin/$1"
}
stub dpkg <<'END'
[ "$*" = --print-architecture ] && echo amd64
END
# Of dpkg-query: -W -f=FORMAT NAME[:ARCHITECTURE], with the two fields that the scripts ask for.
stub dpkg-query <<END
[ "\$1" = -W ] || exit 2
awk -v format="\${2#-f=}" -v wanted="\$3" '
	\$1 == wanted || \$1 ":" \$2 == wanted {
		line = format
		sub(/[$]{Architecture}/, \$2, line)
		sub(/[$]{db:Status-Status}/, \$3, line)
		printf line
		found = 1
	}
	END { exit !found }' "$dir/packages"
END
stub apt-get <<END
[ "\$1" = update ] || echo "\$*" >>"$dir/asked"
END
stub sudo <<'END'
exec "$@"
END
cat >"$dir/packages" <<'END'
native amd64 installed
neutral all installed
both arm64 installed
both amd64 installed
foreign arm64 installed
removed arm64 installed
removed amd64 config-files
broken amd64 half-installed
END

# expect_installs WANTED NAME...: of the NAMEs, apt-get is asked for WANTED.
expect_installs()
{
	wanted=$1
	shift
	: >"$dir/asked"
	PATH=$dir/bin:$PATH bash -c '. "$0" && need_packages "$@"' "$packages" "$@" >"$dir/out" 2>"$dir/err" ||
		{ fail "need_packages $*: failed"; cat "$dir/err"; }
	asked=$(sed 's/^install\( -[^ ]*\)* *//' "$dir/asked")
	[ "$asked" = "$wanted" ] || fail "need_packages $*: installed \"$asked\", not \"$wanted\""
}

expect_installs '' native
expect_installs '' neutral
expect_installs '' both
expect_installs 'foreign' foreign
expect_installs '' foreign:arm64
expect_installs 'native:arm64' native:arm64
expect_installs 'removed' removed
expect_installs 'broken' broken
expect_installs 'none' none
expect_installs 'foreign none' native foreign both none neutral
finish
