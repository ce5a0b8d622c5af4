# Completion of timed-jobs for bash. The program itself knows its commands,
# options and jobs; this only carries words there and candidates back.

_timed_jobs() {
    local current=${COMP_WORDS[COMP_CWORD]} candidate candidates
    local -a words=()
    local index=0 at

    # bash splits "--color=auto" into three words; the program wants two.
    for ((at = 0; at < ${#COMP_WORDS[@]}; at++)); do
        ((at == COMP_CWORD)) && index=${#words[@]}
        if [[ ${COMP_WORDS[at]} == '=' ]]; then
            if ((at == COMP_CWORD)); then
                current=''
                words+=('')
            fi
            continue
        fi
        words+=("${COMP_WORDS[at]}")
    done

    COMPREPLY=()
    mapfile -t candidates < <("${COMP_WORDS[0]}" __complete "$index" \
        "${words[@]}" 2>/dev/null)
    for candidate in "${candidates[@]}"; do
        case $candidate in
        @file)
            compopt -o filenames 2>/dev/null
            mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY \
                < <(compgen -f -- "$current")
            ;;
        @directory)
            compopt -o filenames 2>/dev/null
            mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY \
                < <(compgen -d -- "$current")
            ;;
        *)
            COMPREPLY+=("$candidate")
            ;;
        esac
    done
}

complete -F _timed_jobs timed-jobs
