# SPDX-License-Identifier: BSD-2-Clause
# Sourced by tools/demo, tools/check, tools/fuzz, tools/bench-peers and perf/record: installs the Debian packages that are
# missing, by name, and only those; and builds a preset with its words kept in a file.

BUILD_PACKAGES=(gcc libc6-dev make cmake pkg-config libck-dev liburcu-dev)
# Without them grep: searches with regexec(3), lines: refuses what gzip and zstd have compressed, there is no as:json, and no
# leat export.
PROGRAM_PACKAGES=(g++ libre2-dev zlib1g-dev libzstd-dev libsimdjson-dev libmicrohttpd-dev)
# libcmocka-dev is for a program of docs/guide.md; the client's parser reads what leat export writes.
TEST_PACKAGES=(g++ patch libcriterion-dev libcmocka-dev abigail-tools python3-prometheus-client)
FUZZ_PACKAGES=(clang-14 libclang-rt-14-dev)
PEER_PACKAGES=(g++ libboost-dev libconcurrentqueue-dev libdpdk-dev libtbb-dev golang-go libdisruptor-java
	default-jdk-headless)

say() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
}

die() {
	say "$*"
	exit 1
}

# Wrong usage: says what was wrong and what would be right, in one line.
wrong() {
	say "$*"
	exit 2
}

# Whether a package is installed for this machine's architecture, or for the one that its name says (libck-dev:arm64). dpkg-query
# prints one line for each architecture that has it.
installed() {
	local architecture

	case $1 in
	*:*) architecture=${1##*:} ;;
	*) architecture=$(dpkg --print-architecture) ;;
	esac
	dpkg-query -W -f='${Architecture} ${db:Status-Status}\n' "$1" 2>/dev/null | grep -qxE "($architecture|all) installed"
}

need_packages() {
	local missing=() package as_root=()

	command -v dpkg-query >/dev/null || die "this is no Debian; install these yourself and use cmake: $*"
	for package in "$@"; do
		installed "$package" || missing+=("$package")
	done
	[ ${#missing[@]} -eq 0 ] && return
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || die "these packages are missing, and there is no sudo to install them: ${missing[*]}"
		as_root=(sudo)
	fi
	say "installing ${missing[*]}"
	"${as_root[@]}" apt-get update -qq >&2 || die "apt-get update failed"
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
		>/dev/null || die "could not install ${missing[*]}"
}

# build_preset PRESET [-Dname=value]... [-- TARGET]...
build_preset() {
	local preset=$1 log=build/$1/build.log settings=() targets=()

	shift
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		settings+=("$1")
		shift
	done
	[ $# -le 1 ] || targets=(--target "${@:2}")
	say "$preset: building"
	mkdir -p "build/$preset"
	{ cmake --preset "$preset" "${settings[@]}" &&
		cmake --build --preset "$preset" --parallel "$(nproc)" "${targets[@]}"; } >"$log" 2>&1 && return
	grep -E 'error|warning|undefined|CMake Error' "$log" | head -n 40 >&2
	tail -n 20 "$log" >&2
	say "$preset: the build failed; all of it is in $log"
	return 1
}

# The bench for this processor, with all peers that are found: build/bench/bin/leat bench.
build_bench() {
	build_preset bench
}
