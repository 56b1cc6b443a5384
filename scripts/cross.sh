# What test-neon and test-wasm share; sourced, never run.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target_dir=${CARGO_TARGET_DIR:-$PWD/target}

say() { printf '\n== %s\n' "$*"; }

fail() { printf '\nerror: %s\n' "$*" >&2; exit 1; }

# need COMMAND|PATH PACKAGE...: installs Debian packages unless the command or path is there.
need() {
    local packages=("${@:2}") sudo=()
    ! command -v "$1" >/dev/null && [ ! -e "$1" ] || return 0
    command -v apt-get >/dev/null || fail "install what Debian has in: ${packages[*]}"
    say "installing ${packages[*]}"
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    "${sudo[@]}" apt-get -qq update
    DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get -qq -o DPkg::Lock::Timeout=600 install --no-install-recommends \
        -y "${packages[@]}" >/dev/null
}

# compiler TARGET CRATES: sets `cargo` and `options` for a target: rustup's compiler where it has the target or can get it, else
# Debian's, which builds these crates of the standard library from source.
compiler() {
    cargo=cargo options=(--locked --target "$1")
    export CARGO_TARGET_DIR=$target_dir
    if command -v rustup >/dev/null && timeout 300 rustup target add "$1" >/dev/null 2>&1; then
        return
    fi
    need /usr/bin/rustc rustc-web cargo-web libstd-rust-web-dev rust-web-src
    [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library" ] ||
        fail "neither rustup nor Debian's rust-web-src has the target $1"
    say "rustup has no $1: Debian's compiler, and a standard library built from source"
    cargo=/usr/bin/cargo
    options+=(-Zbuild-std="$2")
    export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$target_dir/debian"
}

# run LOG COMMAND...: runs, shows and keeps what is printed.
run() {
    local log=$1
    mkdir -p "$(dirname "$log")"
    "${@:2}" 2>&1 | tee "$log"
}

# ran LOG LEVEL...: fails unless the tests of kernels and engine say that they ran at these levels.
ran() {
    local level test
    for level in "${@:2}"; do
        for test in conv-dot conv-dot8 "models, every node" "models, fused"; do
            grep -q "$test at $level: [1-9][0-9]* cases" "$1" || fail "'$test' should have run at $level, but did not"
        done
    done
}
