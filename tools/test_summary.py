#!/usr/bin/env python3
"""Sum up meson's testlog.json into the closing line of a test run.

    N passed, N failed[, N skipped]

A test program that says how many of its cases passed is counted by its cases
(cmocka's own report, or a last line of the closing form above); any other
counts as one. A program that failed counts as at least one failure. What was
skipped is named with its reason above the closing line, what failed with the
end of its output.

Usage: test_summary.py LOG...          exit status 1 when a test failed, or
                                       when nothing passed
       test_summary.py --self-test
"""

import json
import re
import sys

CMOCKA = re.compile(r'^\[  (PASSED|FAILED|SKIPPED) +\] (\d+) test\(s\)', re.M)
CLOSING = re.compile(
    r'^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$', re.M)
TAIL_LINES = 40


def count(test):
    """Return (passed, failed, skipped) of one entry of the log."""
    if test['result'] in ('SKIP', 'IGNORED'):
        return 0, 0, 1
    output = (test.get('stdout') or '') + '\n' + (test.get('stderr') or '')
    passed = failed = skipped = 0
    reports = CMOCKA.findall(output)
    closing = CLOSING.findall(output)
    if reports:
        number = {'PASSED': 0, 'FAILED': 0, 'SKIPPED': 0}
        for word, n in reports:
            number[word] += int(n)
        passed, failed, skipped = number.values()
    elif closing:
        passed, failed, skipped = (int(n or 0) for n in closing[-1])
    elif test['result'] in ('OK', 'EXPECTEDFAIL'):
        passed = 1
    if test['result'] not in ('OK', 'EXPECTEDFAIL') and failed == 0:
        failed = 1
    return passed, failed, skipped


def reason(test):
    """What a skipped program said, and which of its cases were skipped."""
    lines = [line for key in ('stdout', 'stderr')
             for line in (test.get(key) or '').split('\n')]
    said = [line.strip() for line in lines if line.startswith('skipped')]
    cases = [line.split('] ')[1] for line in lines
             if line.startswith('[  SKIPPED ] ') and 'test(s)' not in line]
    return ', '.join(said[-1:] + cases) or 'no reason given'


def summarise(tests):
    """Return the lines to print and the exit status."""
    lines, total = [], [0, 0, 0]
    for test in tests:
        numbers = count(test)
        total = [a + b for a, b in zip(total, numbers)]
        if numbers[1]:
            output = (test.get('stdout') or '') + (test.get('stderr') or '')
            lines.append(f'failed: {test["name"]} ({test["result"].lower()},'
                         f' exit status {test["returncode"]})')
            lines += ['    ' + line for line in
                      output.rstrip().split('\n')[-TAIL_LINES:]]
        if numbers[2]:
            lines.append(f'skipped: {test["name"]}: {reason(test)}')
    closing = f'{total[0]} passed, {total[1]} failed'
    if total[2]:
        closing += f', {total[2]} skipped'
    if total[0] + total[1] == 0:
        lines.append('no test was run')
    return lines + [closing], int(total[1] > 0 or total[0] == 0)


def self_test():
    def test(result='OK', stdout='', stderr='', name='x'):
        return {'name': name, 'result': result, 'stdout': stdout,
                'stderr': stderr, 'returncode': 0}

    cases = [
        ([], '0 passed, 0 failed', 1),
        ([test()], '1 passed, 0 failed', 0),
        ([test(), test('FAIL')], '1 passed, 1 failed', 1),
        ([test('TIMEOUT')], '0 passed, 1 failed', 1),
        ([test(), test('SKIP')], '1 passed, 0 failed, 1 skipped', 0),
        ([test('SKIP')], '0 passed, 0 failed, 1 skipped', 1),
        # A program that reports passes and then dies has failed.
        ([test('ERROR', '', '[  PASSED  ] 5 test(s).')],
         '5 passed, 1 failed', 1),
        ([test('FAIL', '', '[  PASSED  ] 4 test(s).\n[  FAILED  ] 2 test(s),'
               ' listed below:\n[  FAILED  ] test_a\n')],
         '4 passed, 2 failed', 1),
        ([test('OK', '', '[  PASSED  ] 4 test(s).\n[  SKIPPED ] 1 test(s),'
               ' listed below:\n'), test()],
         '5 passed, 0 failed, 1 skipped', 0),
        ([test('OK', 'a\n100 passed, 0 failed\n')], '100 passed, 0 failed', 0),
        ([test('FAIL', '99 passed, 1 failed\n')], '99 passed, 1 failed', 1),
    ]
    failures = []
    for tests, closing, status in cases:
        lines, got = summarise(tests)
        if lines[-1] != closing or got != status:
            failures.append(f'{tests}: {lines[-1]!r}, status {got}')
    lines, _ = summarise([test('SKIP', 'skipped: no root here\n')])
    if 'skipped: x: skipped: no root here' not in lines:
        failures.append(f'the reason is missing: {lines}')
    lines, _ = summarise([test('OK', '', '[  PASSED  ] 1 test(s).\n'
                               '[  SKIPPED ] 1 test(s), listed below:\n'
                               '[  SKIPPED ] test_a\n')])
    if 'skipped: x: test_a' not in lines:
        failures.append(f'the skipped case is missing: {lines}')
    print('\n'.join(failures) or f'{len(cases) + 2} cases, all as wanted')
    return bool(failures)


def main():
    if sys.argv[1:] == ['--self-test']:
        return self_test()
    tests = []
    for name in sys.argv[1:]:
        with open(name, encoding='utf-8') as log:
            tests += [json.loads(line) for line in log if line.strip()]
    lines, status = summarise(tests)
    print('\n'.join(lines))
    return status


if __name__ == '__main__':
    sys.exit(main())
