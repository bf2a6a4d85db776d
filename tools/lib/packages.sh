# Sourced by tools/demo and tools/check: installs the Debian packages that are missing, by name, and only those.

say() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
}

die() {
	say "$*"
	exit 1
}

need_packages() {
	local missing=() package as_root=()

	for package in "$@"; do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
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

BUILD_PACKAGES=(gcc libc6-dev make cmake pkg-config libck-dev liburcu-dev)
TEST_PACKAGES=(g++ libcriterion-dev)
