#!/usr/bin/env python3
"""Check that what was built is as hard as a distribution builds it.

Of each ELF file: position independent, read-only relocations bound at start, no
executable stack, stack protector in use, and calls of libc fortified where a
buffer's size is known. A static program is looked at for what applies to it.

Usage: check_hardening.py FILE...
       check_hardening.py --self-test     judges faked reports
"""

import subprocess
import sys


def judge(name, report, symbols):
    """report: what readelf -hldW prints; symbols: names the file mentions."""
    static = 'There is no dynamic section' in report
    library = '.so' in name
    if 'DYN (' not in report and not static:
        yield 'not position independent'
    if 'GNU_RELRO' not in report:
        yield 'relocations are not read-only'
    if not static and 'BIND_NOW' not in report and 'NOW' not in report:
        yield 'symbols are not bound at start'
    stack = [line for line in report.splitlines() if 'GNU_STACK' in line]
    if not stack or ' RWE' in stack[0]:
        yield 'the stack is executable'
    if '__stack_chk_fail' not in symbols:
        yield 'no stack protector'
    if not static and not any(s.endswith('_chk') and s != '__stack_chk_fail'
                              for s in symbols):
        yield 'no fortified call'
    if library and 'TEXTREL' in report:
        yield 'code is relocated'


def run(*command):
    return subprocess.run(command, capture_output=True, text=True,
                          check=True).stdout


def check(path):
    report = run('readelf', '-hldW', path)
    table = run('readelf', '-sW', path)
    symbols = {word.split('@')[0] for line in table.splitlines()
               for word in line.split()[7:8]}
    return [f'{path}: {fault}' for fault in judge(path, report, symbols)]


def self_test():
    good = ('  Type: DYN (Shared object file)\n  GNU_STACK 0x0 RW \n'
            '  GNU_RELRO 0x0\n (FLAGS) BIND_NOW\n')
    chk = {'__stack_chk_fail', '__memcpy_chk'}
    cases = [
        (good, chk, 0), (good.replace('DYN', 'EXEC'), chk, 1),
        (good.replace('GNU_RELRO', 'X'), chk, 1),
        (good.replace('BIND_NOW', 'X'), chk, 1),
        (good.replace(' RW ', ' RWE '), chk, 1),
        (good, {'__memcpy_chk'}, 1), (good, {'__stack_chk_fail'}, 1),
        (good + 'There is no dynamic section in this file.\n',
         {'__stack_chk_fail'}, 0),
    ]
    failures = [f'{report!r}, {symbols}: {list(judge("x", report, symbols))}'
                for report, symbols, n in cases
                if len(list(judge('x', report, symbols))) != n]
    print('\n'.join(failures) or f'{len(cases)} reports judged as wanted')
    return bool(failures)


def main():
    if sys.argv[1:] == ['--self-test']:
        return self_test()
    errors = [error for path in sys.argv[1:] for error in check(path)]
    print('\n'.join(errors) or f'{len(sys.argv) - 1} files, all hardened')
    return bool(errors) or len(sys.argv) < 2


if __name__ == '__main__':
    sys.exit(main())
