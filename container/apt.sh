# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For scripts that fetch through apt, to be sourced; they have a function `die`. The machine's own apt is read, never written:
# lists and packages are kept in a private directory, whose path is absolute.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The Debian mirror that this machine's apt is set up with.
mirror() {
	apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' |
		awk '$1 == "Debian" && $2 !~ /security/ { print $2; exit }'
}

# private_apt DIRECTORY SOURCE SUITE: with `apt_options` apt-get and apt-cache use the suite of that mirror alone, once it is
# updated. SOURCE is how the line in sources.list begins, such as "deb-src [signed-by=FILE]".
private_apt() {
	local uri
	uri=$(mirror)
	[ -n "$uri" ] || die "apt knows no Debian mirror; run 'apt-get update' (make setup does) and try again"
	mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
	printf '%s %s %s main\n' "$2" "$uri" "$3" >"$1/sources.list"
	apt_options=(-o Dir::Etc::SourceList="$1/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o Dir::State::Lists="$1/lists" -o Dir::Cache="$1/cache" -o APT::Sandbox::User=root
		-o APT::Update::Error-Mode=any)
}

# foreign_apt DIRECTORY ARCHITECTURE SUITE: the same for packages of that architecture, whatever is installed here; updated.
foreign_apt() {
	private_apt "$1" "deb [arch=$2 signed-by=$keyring]" "$3"
	apt_options+=(-o Dir::State::Status=/dev/null -o APT::Architecture="$2" -o APT::Architectures="$2")
	apt-get -qq "${apt_options[@]}" update >"$1/log" 2>&1 ||
		die "cannot read the index of $3 for $2 from the configured mirror: $(grep -m 1 ^E: "$1/log")"
}

# download DIRECTORY PACKAGE...: those packages, without their dependencies, as the only files in DIRECTORY/debs.
download() {
	local directory=$1
	shift
	rm -rf "$directory/debs" && mkdir "$directory/debs"
	(cd "$directory/debs" && apt-get -qq "${apt_options[@]}" download "$@") >"$directory/log" 2>&1 ||
		die "cannot fetch $*: $(grep -m 1 ^E: "$directory/log")"
}
