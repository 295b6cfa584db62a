# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts beside it: packages, configuration, build. Sourced, not run.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
jobs=${VTSIM_JOBS:-$(nproc)}

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# install_packages [PACKAGE...]: installs those of packages.txt and of the arguments that are missing; touches nothing else, and not even the network when none is.
install_packages() {
    command -v dpkg-query > /dev/null || return 0              # not Debian: CMake names what is missing
    local package missing=()
    while read -r package; do
        [[ -z $package || $package == \#* ]] && continue
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null) == installed ]] || missing+=("$package")
    done < <(cat scripts/packages.txt; printf '%s\n' "$@")
    [[ ${#missing[@]} -eq 0 ]] && return 0
    local as_root=()
    if [[ $(id -u) -ne 0 ]]; then
        command -v sudo > /dev/null || fail "missing packages, and neither root nor sudo to install them: ${missing[*]}"
        as_root=(sudo)
    fi
    echo "== installing ${missing[*]}"
    "${as_root[@]}" apt-get update -q || fail "apt-get update failed: is the network reachable?"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" ||
        fail "apt-get could not install: ${missing[*]}"
}

# build PRESET [TARGET...]
build() {
    local preset=$1
    shift
    [[ -f build/$preset/build.ninja ]] || cmake --preset "$preset" || fail "configuration of '$preset' failed: the last lines above say why"
    cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"} || fail "the build of '$preset' failed: the first error above says why"
}
