#!/usr/bin/env python3
"""Refuse functions that this project does not use, each with the reason.

Comments and string literals are not looked at. Calls and mere mentions of a
banned name count alike, so a banned function can't slip in through a table.

Usage: check_banned.py [ROOT]          exit status 1 and one line a find
       check_banned.py --self-test     plants each name, wants each one found
"""

import pathlib
import re
import sys
import tempfile

UNBOUNDED = 'writes without a bound; use base/buf.h or snprintf'
UNCHECKED = 'cannot report bad input or overflow; parse by hand or strtoll'
PROCESS = 'the environment and the zone belong to the whole process'
STATIC = 'returns static memory; not safe with threads'
SHELL = 'runs a shell of its own; commands are run by the warden'
RACE = 'races; use mkostemp or memfd_create'

# Nowhere under src/.
EVERYWHERE = {
    'strcpy': UNBOUNDED, 'stpcpy': UNBOUNDED, 'strcat': UNBOUNDED,
    'sprintf': UNBOUNDED, 'vsprintf': UNBOUNDED, 'gets': UNBOUNDED,
    'strncpy': 'may leave out the NUL', 'strncat': 'bound is the wrong one',
    'scanf': UNCHECKED, 'fscanf': UNCHECKED,
    'atoi': UNCHECKED, 'atol': UNCHECKED, 'atoll': UNCHECKED,
    'atof': UNCHECKED,
    'system': SHELL, 'popen': SHELL,
    'tmpnam': RACE, 'tempnam': RACE, 'mktemp': RACE, 'tmpfile': RACE,
    'signal': 'its semantics differ between systems; use sigaction',
    'alloca': 'grows the stack by data',
    'strtok': STATIC, 'strerror': STATIC, 'asctime': STATIC, 'ctime': STATIC,
    'localtime': STATIC, 'gmtime': STATIC, 'getpwuid': STATIC,
    'getpwnam': STATIC, 'getgrnam': STATIC, 'gethostbyname': STATIC,
    'readdir_r': 'deprecated; readdir is safe on a stream of its own',
    'localtime_r': PROCESS, 'tzset': PROCESS, 'mktime': PROCESS,
    'setenv': PROCESS, 'putenv': PROCESS, 'unsetenv': PROCESS,
    'clearenv': PROCESS, 'setlocale': PROCESS, 'chdir': PROCESS,
    'srand': PROCESS, 'rand': 'predictable and shared; use getrandom',
    'uv_spawn': 'forks the whole parent; the warden starts processes',
    'fork': 'copies the whole parent; the warden uses vfork or clone3',
    'vfork': 'only the warden starts processes',
    'sleep': 'nothing here waits by sleeping', 'usleep': 'the same',
    'longjmp': 'skips every clean-up', 'setjmp': 'skips every clean-up',
}

ENDS = 'a library never ends the program that embeds it'
PRINTS = 'library code never prints'
MEMORY = 'library memory comes from base/alloc.h'

# Not in the rooms that are linked into libtimedjobs.
LIBRARY = {
    'abort': ENDS, 'exit': ENDS, '_exit': ENDS, 'quick_exit': ENDS,
    'raise': ENDS,
    'printf': PRINTS, 'vprintf': PRINTS, 'puts': PRINTS, 'putchar': PRINTS,
    'perror': PRINTS, 'stdout': PRINTS, 'stderr': PRINTS,
    'malloc': MEMORY, 'calloc': MEMORY, 'realloc': MEMORY, 'free': MEMORY,
    'strdup': MEMORY, 'strndup': MEMORY, 'asprintf': MEMORY,
    'vasprintf': MEMORY, 'reallocarray': MEMORY,
}

# Folders of the binaries; what is elsewhere under src/ is library.
PROGRAMS = ('src/cli/', 'src/control/', 'src/daemon/', 'src/warden/main/')

# File or folder: the names that are its very purpose.
ALLOWED = {
    'src/base/alloc.c': {'malloc', 'calloc', 'realloc', 'free'},
    # The child's side of a launch, before exec.
    'src/warden/main/': {'chdir', 'fork', 'vfork'},
    # People type and read their own time, in their own language's widths.
    'src/cli/': {'localtime_r', 'mktime', 'setlocale'},
    'src/daemon/narrator.c': {'localtime_r'},
}

# A character literal, a string, a comment of either kind; newlines are kept
# so that the line numbers stay true.
NOISE = re.compile(
    r"""'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|/\*.*?\*/|//[^\n]*""", re.S)
# A word that is no member of a struct: `options.free` and `ops->free` are
# the project's own names, and so is `.free =` in a table.
WORD = re.compile(r'(?<![\w.])(?<!->)([A-Za-z_]\w*)')
# A declaration of a struct's member: `void (*free)(void *)`.
MEMBER = re.compile(r'\(\s*\*\s*\w+\s*\)\s*\(')


def strip(text):
    text = NOISE.sub(lambda m: re.sub(r'[^\n]', ' ', m.group()), text)
    text = re.sub(r'^[ \t]*#[ \t]*include[^\n]*', '', text, flags=re.M)
    return MEMBER.sub(lambda m: ' ' * len(m.group()), text)


def check_file(name, text):
    banned = dict(EVERYWHERE)
    if not name.startswith(PROGRAMS):
        banned.update(LIBRARY)
    for place, words in ALLOWED.items():
        if name.startswith(place):
            banned = {w: why for w, why in banned.items() if w not in words}
    for number, line in enumerate(strip(text).split('\n'), 1):
        for match in WORD.finditer(line):
            word = match.group(1)
            if word in banned:
                yield f'{name}:{number}: {word}: {banned[word]}'


def check_tree(root):
    errors, n_files = [], 0
    for path in sorted((root / 'src').rglob('*')):
        if path.suffix in ('.c', '.h'):
            n_files += 1
            errors += check_file(path.relative_to(root).as_posix(),
                                 path.read_text(encoding='utf-8',
                                                errors='replace'))
    return errors, n_files


# ---- self-test -------------------------------------------------------------

CLEAN = r'''
/* strcpy(a, b) in a comment, */ // system("x") in another
static const char *text = "sprintf(\"%s\", gets())"; /* "abort" */
static char quote = '"'; static int x = sizeof("//"); // atoi
int gmtime_r_of(void); int tj__strcpy(void); struct s { void (*free)(void *); };
void f(struct s *s) { s->free(s); (*s).free(s); }
static const struct s t = { .free = 0 };
#include <signal.h>
'''


def self_test():
    failures = [f'clean text was refused: {e}'
                for e in check_file('src/base/x.c', CLEAN)]
    for word in {**EVERYWHERE, **LIBRARY}:
        # Twice: as a call after a string, and as a mere mention.
        text = f'int f(void) {{ g("\\"", {word}(1)); return (int)&{word}; }}'
        if len(list(check_file('src/base/x.c', text))) != 2:
            failures.append(f'{word} was not found in a library room')
        wanted = 0 if word in LIBRARY else 2
        if len(list(check_file('src/daemon/x.c', text))) != wanted:
            failures.append(f'{word} was judged wrongly in a program')
    for place, words in ALLOWED.items():
        for word in words:
            if list(check_file(place, f'int x = {word}(1);')):
                failures.append(f'{word} is not allowed in {place}')
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / 'src/base/x.c'
        path.parent.mkdir(parents=True)
        path.write_text('/* one\n two */\n\n#include <a.h>\n\nint x = atoi("3");\n')
        errors, _ = check_tree(pathlib.Path(folder))
        if [e.split(': ')[0] for e in errors] != ['src/base/x.c:6']:
            failures.append(f'wrong place: {errors}')
    count = len(EVERYWHERE) + len(LIBRARY)
    print('\n'.join(failures) or f'{count} names planted, all found')
    return bool(failures)


def main():
    if sys.argv[1:] == ['--self-test']:
        return self_test()
    here = pathlib.Path(__file__).resolve().parent.parent
    root = pathlib.Path(sys.argv[1]) if sys.argv[1:] else here
    errors, n_files = check_tree(root)
    print('\n'.join(errors) or f'{n_files} files, no banned function')
    return bool(errors) or n_files == 0


if __name__ == '__main__':
    sys.exit(main())
