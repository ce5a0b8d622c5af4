#!/usr/bin/env python3
"""Check the tree itself: what a reviewer should not have to look for.

  - no source file has more than 800 lines, no test more than 1,200 (a table
    of cases is one idea);
  - no text names a path of the machine it was written on;
  - no text carries a note to come back later;
  - a file of the tree that a text names is there;
  - every .c file is built, and every test program is run, by meson (with
    --build: what meson knows is read from that build directory).

Usage: check_files.py [--build DIR] [ROOT]
       check_files.py --self-test
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

MAX_LINES, MAX_TEST_LINES = 800, 1200
SOURCE_SUFFIXES = {'.c', '.h', '.py', '.sh', '.mjs'}
SKIPPED_FOLDERS = re.compile(r'^(build[^/]*|\.git|\.deps|examples/state)(/|$)')
# Recorded data and the licence are as they were found.
FOREIGN = re.compile(r'^(tests/conformance/vectors/|tests/fuzz/corpus/|LICENSE$)')
# In two halves, so that this file may be checked as well.
LATER = re.compile(r'\b(TO' r'DO|FIX' r'ME|XX' r'X)\b')
HOMES = 'home|Users|root|work|workspace|builds'
# /home/me and /home/alice are nobody's.
MACHINE_PATH = re.compile(
    r'(?<![\w.~}$*-])/(?:' + HOMES + r')/(?!(?:alice|me)\b)[\w.-]+')
# A path below the root, as texts name it; not one below something else.
NAMED_FILE = re.compile(
    r'(?<![\w./{}$@*-])((?:bench|contrib|docs|examples|include/timedjobs|man|'
    r'src|tests|tools)/[\w./-]*\.(?:build|c|def|h|md|mjs|py|scd|service|sh|txt|yaml))\b')
# Written by ./dev bench; named before it is there.
MADE_LATER = {'docs/benchmarks.md'}


def list_files(root):
    """Return the files under version control; without git, all of them."""
    try:
        out = subprocess.run(
            ['git', '-C', str(root), 'ls-files', '-z', '--cached', '--others',
             '--exclude-standard'], capture_output=True, check=True).stdout
        names = [n for n in out.decode().split('\0') if n]
    except (OSError, subprocess.CalledProcessError):
        names = [p.relative_to(root).as_posix() for p in root.rglob('*')]
    names = sorted(n for n in names if not SKIPPED_FOLDERS.match(n))
    return [n for n in names if (root / n).is_file()]


def check_text(name, text, root=None):
    lines = text.split('\n')
    planted = name.startswith('tools/check_')
    most = MAX_TEST_LINES if name.startswith('tests/') else MAX_LINES
    if pathlib.PurePath(name).suffix in SOURCE_SUFFIXES and \
            len(lines) - 1 > most:
        yield f'{name}: {len(lines) - 1} lines; split it before {most}'
    for number, line in enumerate(lines, 1):
        match = MACHINE_PATH.search(line)
        if match:
            yield f'{name}:{number}: a path of a machine: {match.group()}'
        match = LATER.search(line)
        if match:
            yield f'{name}:{number}: {match.group()}: do it or file an issue'
        for named in NAMED_FILE.findall(line) if root and not planted else ():
            if named not in MADE_LATER and not (root / named).is_file():
                yield f'{name}:{number}: names {named}, which is not there'


def is_optional(name, build):
    """Whether this build leaves the file out on purpose."""
    off = {o['name'] for o in build['options'] if o['value'] is False}
    return ('bench' in off and name.startswith('bench/')) or \
        ('fuzz' in off and name.startswith('tests/fuzz/'))


def read_build(folder):
    info = folder / 'meson-info'
    return {what: json.loads((info / f'intro-{what}.json').read_text())
            for what in ('targets', 'tests', 'buildoptions')}


def check_build(root, names, intro):
    """Every .c file is in a target; every test_*.c is in one that is run."""
    compiled, programs = set(), {}
    for target in intro['targets']:
        for group in target['target_sources']:
            files = {pathlib.Path(s) for s in group.get('sources', [])}
            compiled |= files
            for file in files:
                programs.setdefault(file, set()).update(target['filename'])
    run = {argument for test in intro['tests'] for argument in test['cmd']}
    build = {'options': intro['buildoptions']}
    for name in names:
        path = root / name
        if path.suffix != '.c' or is_optional(name, build):
            continue
        if path not in compiled:
            yield f'{name}: no meson.build builds it'
        elif path.name.startswith('test_') and name.startswith('tests/') \
                and not programs[path] & run:
            yield f'{name}: built, but no test() runs it'


def check_tree(root, build=None):
    names, errors = list_files(root), []
    for name in names:
        if FOREIGN.match(name):
            continue
        try:
            text = (root / name).read_text(encoding='utf-8')
        except UnicodeDecodeError:
            continue
        errors += check_text(name, text, root)
    if build:
        errors += check_build(root, names, read_build(build))
    return errors, len(names)


# ---- self-test -------------------------------------------------------------

def self_test():
    failures = []

    def want(what, errors, part):
        if part is None and errors:
            failures.append(f'{what}: refused: {errors}')
        if part is not None and not any(part in e for e in errors):
            failures.append(f'{what}: not found; printed: {errors}')

    def text(name, content):
        return list(check_text(name, content))

    want('length', text('src/a.c', 'x\n' * 801), '801 lines')
    want('test length', text('tests/a.c', 'x\n' * 1201), '1201 lines')
    want('allowed length', text('src/a.c', 'x\n' * 800), None)
    want('long page', text('docs/a.md', 'x\n' * 900), None)
    for word in ('TO' 'DO', 'FIX' 'ME', 'XX' 'X'):
        want(word, text('a.md', f'{word}: later'), word)
    want('template', text('a.c', '"/tmp/a.XX' 'XXXX"'), None)
    for home in HOMES.split('|'):
        path = f'/{home}' + '/someone/tree'
        want(path, text('a.sh', f'cd {path}'), f'/{home}/someone')
    want('no home', text('a.sh', 'cd $HOME/work' '/x src/work' '/y'), None)

    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name in ('src/a.c', 'src/b.c', 'tests/test_a.c', 'tests/test_b.c',
                     'tests/fuzz/fuzz_a.c', 'bench/bench_a.c'):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text('int x;\n')
        names = list_files(root)
        want('dead name', list(check_text('a.md', 'see src/z.c', root)),
             'names src/z.c')
        want('live name', list(check_text(
            'a.md', 'src/a.c (tests/test_a.c), x/src/z.c', root)), None)

        def target(program, *sources):
            return {'filename': [program], 'target_sources': [
                {'sources': [str(root / s) for s in sources]},
                {'linker': ['ld']}]}

        intro = {
            'targets': [target('/lib.so', 'src/a.c'),
                        target('/test-a', 'tests/test_a.c'),
                        target('/test-b', 'tests/test_b.c')],
            'tests': [{'cmd': ['/test-a']}],
            'buildoptions': [{'name': 'bench', 'value': False},
                             {'name': 'fuzz', 'value': False}],
        }
        errors = sorted(check_build(root, names, intro))
        if [e.split(':')[0] for e in errors] != ['src/b.c', 'tests/test_b.c']:
            failures.append(f'build: {errors}')
        intro['buildoptions'] = []
        want('optional', list(check_build(root, names, intro)),
             'bench/bench_a.c: no meson.build')
    print('\n'.join(failures) or 'all planted faults found')
    return bool(failures)


def main():
    arguments = sys.argv[1:]
    if arguments == ['--self-test']:
        return self_test()
    build = None
    if arguments[:1] == ['--build']:
        build = pathlib.Path(arguments[1])
        arguments = arguments[2:]
    here = pathlib.Path(__file__).resolve().parent.parent
    root = pathlib.Path(arguments[0]).resolve() if arguments else here
    errors, n_files = check_tree(root, build)
    print('\n'.join(errors) or f'{n_files} files, nothing to say')
    return bool(errors) or n_files == 0


if __name__ == '__main__':
    sys.exit(main())
