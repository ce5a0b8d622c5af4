#!/bin/sh
# Check what needs a tool to check: one word says what. Exit status 77 (a test
# that was skipped, with the reason printed) where the tool is not there.
#
#   format    every C file is as clang-format 14 prints it
#   shell     shellcheck has nothing to say about any shell script
#   spelling  codespell knows every word
#   man       every man page is built, and mandoc finds no error in it
#   units     what contrib/systemd/ has for systemd is understood by it, and the
#             service is as shut off as it was (PROGRAM: where timed-jobs is)
set -eu
cd "$(dirname "$0")/.."

# The files under version control; without git, all that are not built.
list_files()
{
    git ls-files --cached --others --exclude-standard 2>/dev/null ||
        find . -type f ! -path './build*' ! -path './.deps/*' \
            ! -path './.git/*' | sed 's|^\./||'
}

need()
{
    command -v "$1" >/dev/null || {
        echo "skipped: $1 is not installed"
        exit 77
    }
}

# clang-format formats differently from version to version: one is the judge.
clang_format()
{
    for name in clang-format-14 clang-format; do
        case $("$name" --version 2>/dev/null || :) in
        *' 14.'*)
            echo "$name"
            return
            ;;
        esac
    done
}

check_format()
{
    tool=$(clang_format)
    [ -n "$tool" ] || {
        echo 'skipped: clang-format 14 is not installed'
        exit 77
    }
    list_files | grep -E '\.[ch]$' | xargs "$tool" "$@"
}

shell_scripts()
{
    list_files | while read -r file; do
        [ -f "$file" ] || continue
        case $file in *.json) continue ;; esac
        head -n 1 "$file" | tr -d '\0' | grep -Eq '^#!.*/(env )?(ba)?sh' &&
            echo "$file"
    done
    return 0
}

check_man()
{
    need scdoc
    need mandoc
    out=$(mktemp)
    trap 'rm -f "$out"' EXIT
    for page in man/*.scd; do
        [ -f "$page" ] || {
            echo 'skipped: there is no man page'
            exit 77
        }
        echo "$page"
        scdoc <"$page" >"$out"
        mandoc -Tlint -W error "$out"
    done
}

# What systemd says about a unit, of which nothing is expected.
verify_unit()
{
    said=$(systemd-analyze verify --man=no --recursive-errors=no "$1" 2>&1) ||
        said="$said (exit status $?)"
    [ -z "$said" ] || {
        printf '%s: %s\n' "$1" "$said"
        exit 1
    }
}

check_units()
{
    need systemd-analyze
    program=$(realpath "$1")
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
    units=$PWD/contrib/systemd

    # The program is where it was built, and our user need not exist here.
    sed -e "s|/usr/bin/timed-jobs|$program|" -e '/^User=/d' -e '/^Group=/d' \
        "$units/timed-jobs.service" >"$dir/timed-jobs.service"
    verify_unit "$dir/timed-jobs.service"
    systemd-analyze security --no-pager --offline=true --threshold=25 \
        "$units/timed-jobs.service" | tail -n 1

    # Everything that the example of a drop-in offers, at once. Each choice is
    # understood, although nobody would take all of them.
    cp "$dir/timed-jobs.service" "$dir/timed-jobs-more.service"
    sed -n -e '/^\[Service\]/p' -e 's/^#\([A-Z]\)/\1/p' \
        "$units"/timed-jobs.service.d/*.example >>"$dir/timed-jobs-more.service"
    grep -q '^ReadWritePaths=' "$dir/timed-jobs-more.service"
    verify_unit "$dir/timed-jobs-more.service"

    # A verifier that sees nothing does not count.
    echo 'NoSuchThing=yes' >>"$dir/timed-jobs-more.service"
    ! (verify_unit "$dir/timed-jobs-more.service") >/dev/null || {
        echo 'systemd-analyze verify did not see a planted mistake'
        exit 1
    }

    mkdir -p "$dir/image/etc"
    if command -v systemd-sysusers >/dev/null; then
        systemd-sysusers --root="$dir/image" "$units/timed-jobs.sysusers"
        grep '^timed-jobs:' "$dir/image/etc/passwd"
    fi
    # Owners can be set by root only.
    if [ "$(id -u)" -eq 0 ] && command -v systemd-tmpfiles >/dev/null; then
        systemd-tmpfiles --create --root="$dir/image" \
            "$units/timed-jobs.tmpfiles"
        ls -d "$dir"/image/etc/timed-jobs/conf.d "$dir"/image/var/log/timed-jobs
    fi
}

case ${1-} in
format)
    check_format --dry-run -Werror
    ;;
reformat)
    check_format -i
    ;;
shell)
    need shellcheck
    shell_scripts | xargs shellcheck
    ;;
spelling)
    need codespell
    list_files | grep -Ev '^(tests/conformance/vectors|tests/fuzz/corpus)/' |
        xargs codespell --ignore-words=tools/spelling.txt
    ;;
man)
    check_man
    ;;
units)
    check_units "${2-build/timed-jobs}"
    ;;
*)
    echo 'usage: check_style.sh format|reformat|shell|spelling|man' \
        '| units [PROGRAM]' >&2
    exit 2
    ;;
esac
