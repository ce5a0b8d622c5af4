/* A directory of its own for a test, and looking into it. */
#ifndef TESTS_UNIT_LOG_LOG_DIR_FIXTURE_H
#define TESTS_UNIT_LOG_LOG_DIR_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <timedjobs/clock.h>

#define DAY_1     "2026-04-01.jsonl"
#define DAY_2     "2026-04-02.jsonl"
#define DAY_1_MS  INT64_C(1775030400000) /* 2026-04-01T08:00:00Z */
#define DAY_2_MS  (DAY_1_MS + 86400000)
#define DAY_1_DAY (DAY_1_MS / 86400000)

/* cmocka's: make the directory and reset the faults; remove it. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* The directory; `name` below it. The text is good until the next call but
 * three. */
const char *fixture_dir(void);
const char *fixture_path(const char *name);

/* Read a whole file; NUL-terminated, freed by the caller. NULL: none there. */
char *fixture_read(const char *name, size_t *ret_size);
void fixture_write(const char *name, const char *text);
bool fixture_has(const char *name);
void fixture_remove_tree(const char *path);

/* Expect a file to be exactly this. */
void fixture_expect(const char *name, const char *text);

/* A wall clock that shows what it was set to, DAY_1_MS at first. */
tj_clock fixture_clock(void);
void fixture_clock_set(int64_t wall_ms);

#endif
