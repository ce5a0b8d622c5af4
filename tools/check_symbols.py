#!/usr/bin/env python3
"""Check that the libraries export what the public headers promise, no more.

  - every symbol that a shared library exports is declared with TJ_EXPORT in
    a public header, and the other way round;
  - every such declaration has a comment of its own before it, or shares one
    with the declaration on the line above;
  - once man/libtimedjobs.3.scd is there, it mentions every one of them.

Usage: check_symbols.py ROOT LIBRARY.so...
       check_symbols.py --self-test
"""

import pathlib
import re
import subprocess
import sys

# From TJ_EXPORT to the name before the parameter list, over line ends.
DECLARATION = re.compile(r'^TJ_EXPORT\b[^;(]*?\b(tj_\w+)\s*\(', re.M)
COMMENTED = re.compile(r'(\*/|;)[ \t]*\n\Z')


def declared(text):
    """Yield (name, whether it has a comment) for each declaration."""
    for match in DECLARATION.finditer(text):
        before = text[:match.start()]
        yield match.group(1), bool(COMMENTED.search(before))


def exported(library):
    out = subprocess.run(['nm', '-D', '--defined-only', str(library)],
                         capture_output=True, check=True, text=True).stdout
    return {line.split()[-1].split('@')[0] for line in out.splitlines()}


def compare(promised, present, page):
    """promised: {name: (header, commented)}; page: the manual or None."""
    for name in sorted(present - set(promised)):
        yield f'{name}: exported, and declared in no public header'
    for name, (header, commented) in sorted(promised.items()):
        if name not in present:
            yield f'{name}: declared in {header}, and not exported'
        if not commented:
            yield f'{name}: has no comment in {header}'
        if page is not None and not re.search(rf'\b{name}\b', page):
            yield f'{name}: not mentioned in libtimedjobs(3)'


def self_test():
    text = ('/** Do. */\nTJ_EXPORT int tj_a(void);\n'
            'TJ_EXPORT const char *\ntj_b(int x);\n\n'
            'TJ_EXPORT void tj_c(void);\n')
    failures = []
    found = list(declared(text))
    if found != [('tj_a', True), ('tj_b', True), ('tj_c', False)]:
        failures.append(f'declarations: {found}')
    promised = {name: ('x.h', commented) for name, commented in found}
    lines = list(compare(promised, {'tj_a', 'tj_c', 'tj_d'}, 'tj_a tj_b tj_cc'))
    if [line.split(':')[0] for line in lines] != \
            ['tj_d', 'tj_b', 'tj_c', 'tj_c']:
        failures.append(f'comparison: {lines}')
    print('\n'.join(failures) or 'all planted faults found')
    return bool(failures)


def main():
    if sys.argv[1:] == ['--self-test']:
        return self_test()
    root = pathlib.Path(sys.argv[1])
    present = set().union(*map(exported, sys.argv[2:]))
    promised = {}
    for header in sorted((root / 'include/timedjobs').glob('*.h*')):
        for name, commented in declared(header.read_text()):
            promised[name] = (header.name, commented)
    manual = root / 'man/libtimedjobs.3.scd'
    # scdoc wants an underscore escaped.
    page = manual.read_text().replace('\\_', '_') if manual.exists() else None
    errors = list(compare(promised, present, page))
    print('\n'.join(errors) or f'{len(promised)} functions, all as promised')
    return bool(errors) or not promised


if __name__ == '__main__':
    sys.exit(main())
