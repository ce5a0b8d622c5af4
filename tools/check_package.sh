#!/bin/sh
# Make the source tarball and prove it the way a packager and a user would:
# build it away from the tree, run its quick tests, install it into a staging
# directory, and compile programs against what was installed, shared and
# static, C and C++, found through timedjobs.pc alone.
#
# Usage: [LLHTTP_OPTION=-Dllhttp_dir=...] check_package.sh BUILD_DIR
#
# shellcheck disable=SC2317 # the functions are called through step
set -eu
cd "$(dirname "$0")/.."
build=$1

passed=0
failed=0

# step NAME COMMAND... : count it; a failure ends the run, the rest needs it.
step()
{
    name=$1
    shift
    if "$@" >&2; then
        passed=$((passed + 1))
        echo "ok: $name"
    else
        failed=$((failed + 1))
        echo "failed: $name"
        finish
    fi
}

finish()
{
    rm -rf "$work"
    echo "$passed passed, $failed failed"
    [ $failed -eq 0 ]
    exit
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

make_tarball()
{
    rm -rf "$build"
    # shellcheck disable=SC2086 # empty or one option
    meson setup "$build" ${LLHTTP_OPTION-} </dev/null &&
        meson dist -C "$build" --no-tests --allow-dirty --formats xztar
}

unpack()
{
    tar -xf "$build"/meson-dist/*.tar.xz -C "$work" &&
        mv "$work"/timed-jobs-* "$work/source"
}

is_complete()
{
    for file in README.md LICENSE CHANGELOG.md dev meson.build \
        include/timedjobs/timedjobs.h src/layers.txt; do
        [ -f "$work/source/$file" ] || {
            echo "the tarball has no $file"
            return 1
        }
    done
    for file in .git .deps build; do
        [ ! -e "$work/source/$file" ] || {
            echo "the tarball has a $file"
            return 1
        }
    done
}

build_source()
{
    # shellcheck disable=SC2086 # empty or one option
    meson setup "$work/build" "$work/source" --prefix=/usr \
        ${LLHTTP_OPTION-} </dev/null && ninja -C "$work/build"
}

quick_tests()
{
    meson test -C "$work/build" --no-rebuild --suite house --suite unit \
        </dev/null
}

install_staged()
{
    DESTDIR=$work/stage meson install -C "$work/build" --no-rebuild || return
    outside=$(find "$work/stage" -mindepth 1 -maxdepth 1 ! -name usr \
        ! -name etc ! -name var)
    [ -z "$outside" ] || {
        echo "installed where it should not: $outside"
        return 1
    }
    pc_dir=$(dirname "$(find "$work/stage" -name timedjobs.pc)")
    library_dir=$(dirname "$(find "$work/stage" -name 'libtimedjobs.so')")
    [ -f "$pc_dir/timedjobs.pc" ] && [ -f "$library_dir/libtimedjobs.a" ] &&
        [ -f "$work/stage/usr/include/timedjobs/version.h" ]
}

# What the .pc says, as if the staging directory were the root.
pc()
{
    PKG_CONFIG_PATH=$pc_dir pkg-config \
        --define-variable=prefix="$work/stage/usr" "$@" timedjobs
}

write_consumer()
{
    mkdir "$work/consumer"
    cat >"$work/consumer/consumer.c" <<'EOF_C'
#include <string.h>
#include <timedjobs/timedjobs.h>

int main(void)
{
    tj_engine_options options;

    tj_engine_options_init(&options);
    return strcmp(tj_version(), TJ_VERSION_STRING) != 0 ||
           options.config.interval_ms <= 0;
}
EOF_C
    cp "$work/consumer/consumer.c" "$work/consumer/consumer.cc"
    cp "$work"/source/examples/embed_minimal.c "$work/consumer/"
    awk '/^```/ { inside = ($0 == "```c"); next } inside' \
        "$work/source/README.md" >"$work/consumer/readme.c"
    [ -s "$work/consumer/readme.c" ]
}

# consume LINKAGE COMPILER SOURCE [COMMAND]... : compile, link, run.
consume()
(
    cd "$work/consumer"
    case $1 in
    shared) libraries=$(pc --libs) ;;
    static)
        libraries=$(pc --static --libs |
            sed 's/-ltimedjobs/-l:libtimedjobs.a/')
        ;;
    esac
    # The examples use a libuv loop of their own; its headers want gnu11.
    libraries="$libraries $(pkg-config --libs libuv)"
    # shellcheck disable=SC2046,SC2086 # lists of options
    $2 -Wall -Werror $(pc --cflags) -o program "$3" $libraries || return
    if [ "$1" = static ] && ldd ./program | grep -q libtimedjobs; then
        echo 'the static program asks for the shared library'
        return 1
    fi
    LD_LIBRARY_PATH=$library_dir
    export LD_LIBRARY_PATH
    shift 3
    [ $# -gt 0 ] || set -- ./program
    "$@"
)

# The README's program goes on until it is stopped.
ticks_on()
{
    timeout -s KILL 3 stdbuf -oL ./program >ticks
    grep -q 'count: tick 2 ' ticks
}

step 'source tarball' make_tarball
step 'unpack it' unpack
step 'it is complete' is_complete
step 'build it elsewhere' build_source
step 'its quick tests' quick_tests
step 'install into a staging directory' install_staged
step 'consumers' write_consumer
for linkage in shared static; do
    step "a $linkage consumer in C" consume $linkage "${CC:-cc} -std=c11" \
        consumer.c
    step "a $linkage consumer in C++" consume $linkage \
        "${CXX:-c++} -std=c++17" consumer.cc
    # <uv.h> wants more of the C library than plain C11 shows.
    step "examples/embed_minimal.c, $linkage" consume $linkage \
        "${CC:-cc} -std=gnu11" embed_minimal.c
    step "the README's example, $linkage" consume $linkage \
        "${CC:-cc} -std=gnu11" readme.c ticks_on
done
finish
