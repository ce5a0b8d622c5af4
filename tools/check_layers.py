#!/usr/bin/env python3
"""Check that every #include obeys src/layers.txt.

A room is the first folder below src/. A quoted include is written from src/
("base/buf.h") and must be allowed by the room's line in layers.txt;
<timedjobs/...> is the room "api". Beyond the table:

  - the table itself, and the headers among themselves, have no cycle;
  - public headers include C's own headers and each other, nothing else;
  - examples/ include nothing of ours but the public headers;
  - a pure step file (*_step.c, *_step.h) includes no header that could give
    it a clock, a thread, a file or a loop.

Usage: check_layers.py [ROOT]          exit status 1 and one line a violation
       check_layers.py --self-test     plants violations, wants each one found
"""

import pathlib
import re
import sys
import tempfile

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

C_HEADERS = {
    'errno.h', 'float.h', 'inttypes.h', 'limits.h', 'math.h', 'stdarg.h',
    'stdbool.h', 'stddef.h', 'stdint.h',
}

IMPURE_HEADERS = {
    'dlfcn.h', 'fcntl.h', 'poll.h', 'pthread.h', 'signal.h', 'sqlite3.h',
    'threads.h', 'time.h', 'unistd.h', 'uv.h',
}


def read_table(path):
    """Return {room: set of rooms it may use} and the errors met."""
    table, errors = {}, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.split('#', 1)[0].strip()
        if not line:
            continue
        room, colon, uses = line.partition(':')
        if not colon or room in table:
            errors.append(f'{path}:{number}: not "room: rooms", or twice')
            continue
        table[room.strip()] = set(uses.split())
    for room, uses in table.items():
        for used in sorted(uses - set(table) - {'api'}):
            errors.append(f'{path}: {room} may use {used}, which is no room')
    return table, errors


def find_cycle(graph):
    """Return one cycle of {node: nodes} as a list, or None."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return None
        path.append(node)
        for following in sorted(graph.get(node, ())):
            cycle = visit(following)
            if cycle:
                return cycle
        path.pop()
        done.add(node)
        return None

    for node in sorted(graph):
        cycle = visit(node)
        if cycle:
            return cycle
    return None


def includes_of(path):
    text = path.read_text(encoding='utf-8', errors='replace')
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1) == '"', match.group(2)


def sources(folder):
    return sorted(p for p in folder.rglob('*') if p.suffix in ('.c', '.h'))


class Check:
    def __init__(self, root):
        self.root = root
        self.src = root / 'src'
        self.table, self.errors = read_table(self.src / 'layers.txt')
        self.header_graph = {}
        self.n_includes = 0

    def complain(self, path, number, text):
        self.errors.append(f'{path.relative_to(self.root)}:{number}: {text}')

    def room_file(self, path):
        inside = path.relative_to(self.src)
        room = inside.parts[0] if len(inside.parts) > 1 else None
        if room not in self.table:
            self.complain(path, 1, f'room {room} has no line in layers.txt')
            return
        for number, quoted, name in includes_of(path):
            self.n_includes += 1
            if path.stem.endswith('_step') and name in IMPURE_HEADERS:
                self.complain(path, number,
                              f'a pure step file includes <{name}>')
            if not quoted:
                used = 'api' if name.startswith('timedjobs/') else None
            elif (self.src / name).is_file() or \
                    (self.src / (name + '.in')).is_file():
                used = name.split('/')[0]
                if path.suffix == '.h':
                    self.header_graph.setdefault(
                        inside.as_posix(), set()).add(name)
            else:
                self.complain(path, number,
                              f'"{name}" is not written from src/')
                continue
            if used and used != room and used not in self.table[room]:
                self.complain(path, number,
                              f'{room} may not use {used} ({name})')

    def api_file(self, path):
        inside = path.relative_to(self.root / 'include').as_posix()
        for number, quoted, name in includes_of(path):
            self.n_includes += 1
            if not quoted and name.startswith('timedjobs/'):
                self.header_graph.setdefault(inside, set()).add(name)
            elif quoted or name not in C_HEADERS:
                self.complain(path, number,
                              f'a public header includes {name}')

    def example_file(self, path):
        for number, quoted, name in includes_of(path):
            self.n_includes += 1
            if quoted:
                self.complain(path, number,
                              f'an example includes "{name}": public headers'
                              ' only')

    def run(self):
        for path in sources(self.src):
            self.room_file(path)
        for path in sources(self.root / 'include'):
            self.api_file(path)
        for path in sources(self.root / 'examples'):
            self.example_file(path)
        for what, graph in (('src/layers.txt', self.table),
                            ('headers', self.header_graph)):
            cycle = find_cycle(graph)
            if cycle:
                self.errors.append(f'{what}: cycle: ' + ' -> '.join(cycle))
        return self.errors


# ---- self-test -------------------------------------------------------------

CLEAN = {
    'src/layers.txt': 'base: api\nengine: api base\n',
    'src/base/a.h': '#include <stdint.h>\n',
    'src/base/b.h': '#include "base/a.h"\n',
    'src/engine/tick_step.c': '#include "base/b.h"\n#include <string.h>\n',
    'include/timedjobs/x.h': '#include <stdint.h>\n',
    'include/timedjobs/y.h': '#include <timedjobs/x.h>\n',
    'examples/e.c': '#include <timedjobs/y.h>\n#include <uv.h>\n',
}

# What is planted, and a part of the line that must be printed for it.
PLANTED = [
    ({'src/base/a.h': '#include "engine/e.h"\n', 'src/engine/e.h': ''},
     'src/base/a.h:1: base may not use engine'),
    ({'src/base/a.c': '# include  "a.h"\n'}, 'not written from src/'),
    ({'src/attic/a.c': '\n'}, 'room attic has no line'),
    ({'src/layers.txt': 'base: api engine\nengine: api base\n'},
     'src/layers.txt: cycle: base -> engine -> base'),
    ({'src/layers.txt': 'base: api\nengine: api base cellar\n'},
     'cellar, which is no room'),
    ({'src/layers.txt': 'base:\nengine: base\n',
      'src/base/a.c': '#include <timedjobs/x.h>\n'}, 'base may not use api'),
    ({'src/base/a.h': '#include "base/b.h"\n'},
     'headers: cycle: base/a.h -> base/b.h -> base/a.h'),
    ({'include/timedjobs/x.h': '#include <timedjobs/y.h>\n'},
     'headers: cycle'),
    ({'include/timedjobs/x.h': '#include <uv.h>\n'},
     'a public header includes uv.h'),
    ({'include/timedjobs/x.h': '#include "x.h"\n'},
     'a public header includes x.h'),
    ({'examples/e.c': '#include "base/a.h"\n'}, 'public headers only'),
    ({'src/engine/tick_step.c': '#include <time.h>\n'},
     'a pure step file includes <time.h>'),
]


def play(files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Check(root).run()


def self_test():
    errors = play(CLEAN)
    failures = [f'a clean tree was refused: {e}' for e in errors]
    for files, wanted in PLANTED:
        errors = play({**CLEAN, **files})
        if not any(wanted in e for e in errors):
            failures.append(f'not found: {wanted}; printed: {errors}')
    print('\n'.join(failures) or f'{len(PLANTED)} planted, all found')
    return bool(failures)


def main():
    if sys.argv[1:] == ['--self-test']:
        return self_test()
    here = pathlib.Path(__file__).resolve().parent.parent
    check = Check(pathlib.Path(sys.argv[1]) if sys.argv[1:] else here)
    errors = check.run()
    print('\n'.join(errors) or f'{check.n_includes} includes, all allowed')
    return bool(errors) or check.n_includes == 0


if __name__ == '__main__':
    sys.exit(main())
