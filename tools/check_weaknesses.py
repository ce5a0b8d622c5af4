#!/usr/bin/env python3
"""Check that each known weakness of the reference runtime has a test here.

The reference's weaknesses have the numbers S01 to S38; docs/weaknesses.md
says for each of them what we do instead, and which test shows it. It holds:

  - the page has one row for every number, in order;
  - every test file in a row exists and names the number in a comment
    ("S21", or a range that it is in: "S21 to S25", "S21-S25");
  - the tests name no number that there is not.

Usage: check_weaknesses.py ROOT
       check_weaknesses.py --self-test
"""

import pathlib
import re
import sys

LAST = 38
KNOWN = [f'S{number:02}' for number in range(1, LAST + 1)]
NUMBER = re.compile(r'\bS(\d\d)\b(?:(?: to |-)S?(\d\d)\b)?')
COMMENTS = {
    '.c': re.compile(r'/\*.*?\*/|//[^\n]*', re.S),
    '.h': re.compile(r'/\*.*?\*/|//[^\n]*', re.S),
    '.py': re.compile(r'"""[^"].*?"""|#[^\n]*', re.S),
}
ROW = re.compile(r'^\| (S\d\d) \|(.*)\|$', re.M)
FILE = re.compile(r'`(tests/[\w./-]+)`')


def numbers(text):
    """The numbers in a text, ranges spelt out."""
    found = set()
    for first, last in NUMBER.findall(text):
        found |= {f'S{number:02}'
                  for number in range(int(first), int(last or first) + 1)}
    return found


def named(suffix, text):
    """The numbers that a file names in its comments."""
    comments = COMMENTS[suffix].findall(text)
    # A comment's line ends are no ends of what it says.
    return numbers(re.sub(r'\s*\n\s*[*#]?\s*', ' ', '\n'.join(comments)))


def compare(page, tests):
    """page: text; tests: {path: numbers named}. Yields what is wrong."""
    rows = ROW.findall(page)
    if [number for number, _ in rows] != KNOWN:
        yield (f'docs/weaknesses.md: the rows are not S01 to S{LAST}, each '
               'once and in order')
    for number, row in rows:
        files = FILE.findall(row)
        if not files:
            yield f'docs/weaknesses.md: {number} names no test'
        for path in files:
            if path not in tests:
                yield f'docs/weaknesses.md: {number}: there is no {path}'
            elif number not in tests[path]:
                yield f'{path}: no comment names {number}'
    for path, found in sorted(tests.items()):
        for number in sorted(found - set(KNOWN)):
            yield f'{path}: names {number}, which there is not'


def self_test():
    failures = []
    text = ('/* S01, S02: one. */ int S03;\n/* S04 to\n * S06 */ // S08-10\n'
            'char *text = "S11";\n')
    found = named('.c', text)
    if found != set('S01 S02 S04 S05 S06 S08 S09 S10'.split()):
        failures.append(f'comments: {sorted(found)}')
    if named('.py', '"""S01."""\nS02 = "S03"  # S04\n') != {'S01', 'S04'}:
        failures.append('comments of Python')
    page = ''.join(f'| {number} | well | `tests/a.c` |\n' for number in KNOWN)
    tests = {'tests/a.c': set(KNOWN)}
    if list(compare(page, tests)):
        failures.append('a good page is refused')
    planted = {
        'a row that is missing': (page.replace('| S07 ', '| X07 '), tests),
        'a row too many': (page + '| S38 | well | `tests/a.c` |\n', tests),
        'a row without a test': (
            page.replace('| S07 | well | `tests/a.c` |', '| S07 | well | |'),
            tests),
        'a test that is not there': (
            page.replace('S07 | well | `tests/a', 'S07 | well | `tests/b'),
            tests),
        'a test that does not say so': (
            page, {'tests/a.c': set(KNOWN) - {'S07'}}),
        'a number that there is not': (
            page, {'tests/a.c': set(KNOWN) | {'S39'}}),
    }
    for what, (text, files) in planted.items():
        if not list(compare(text, files)):
            failures.append(f'not found: {what}')
    print('\n'.join(failures) or 'all planted faults found')
    return bool(failures)


def main():
    if sys.argv[1:] == ['--self-test']:
        return self_test()
    root = pathlib.Path(sys.argv[1])
    tests = {
        str(path.relative_to(root)): named(path.suffix, path.read_text())
        for path in sorted((root / 'tests').rglob('*'))
        if path.suffix in COMMENTS and path.is_file()
    }
    errors = list(compare((root / 'docs/weaknesses.md').read_text(), tests))
    print('\n'.join(errors) or f'{LAST} weaknesses, each with its test')
    return bool(errors)


if __name__ == '__main__':
    sys.exit(main())
