#!/bin/sh
# Compile each public header alone, as C11 and as C++17, under every warning a
# user may have on: a header that leans on another one's includes, or that
# warns, fails here and not at the user's.
#
# Usage: check_headers.sh CC CXX BUILD_DIR
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cc=$1
cxx=$2
build=$(cd "$3" && pwd)
warnings='-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Werror'

tried=0
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for header in "$root"/include/timedjobs/*.h "$build"/include/timedjobs/*.h; do
    [ -f "$header" ] || continue
    name=timedjobs/$(basename "$header")
    # Twice: the guard must hold.
    printf '#include <%s>\n#include <%s>\nint probe;\n' "$name" "$name" \
        >"$work/probe.c"
    cp "$work/probe.c" "$work/probe.cc"
    for language in c c++; do
        tried=$((tried + 1))
        case $language in
        c) compiler="$cc -std=c11 -Wstrict-prototypes" ;;
        *) compiler="$cxx -std=c++17" ;;
        esac
        source=$work/probe.c
        [ $language = c ] || source=$work/probe.cc
        # shellcheck disable=SC2086 # lists of options
        $compiler $warnings -fsyntax-only -I"$root/include" \
            -I"$build/include" "$source" || {
            failed=$((failed + 1))
            echo "$name does not stand alone as $language"
        }
    done
done
echo "$((tried - failed)) passed, $failed failed"
[ $failed -eq 0 ] && [ $tried -gt 0 ]
