/* Numbered lines from several engines, and the judgement of what is in the
 * files afterwards. */
#ifndef TESTS_UNIT_LOG_NARRATIVE_H
#define TESTS_UNIT_LOG_NARRATIVE_H

#include <stddef.h>
#include <stdint.h>

#define N_ENGINES_MAX 8
#define LINE_SIZE_MAX 256

/* Print engine's line number `number` of a size that depends on it. Returns
 * the size. */
size_t narrative_line(char line[LINE_SIZE_MAX], int engine, uint64_t number);

typedef struct narrative_findings {
    uint64_t n_lines;             /* whole ones, entries included */
    uint64_t n_entries;           /* log_dropped */
    uint64_t n_told;              /* lines that those say are missing */
    uint64_t n_missing;           /* numbers that were jumped over */
    uint64_t n_torn;              /* pieces of lines that stand alone */
    uint64_t next[N_ENGINES_MAX]; /* the number expected next */
} narrative_findings;

/* Read one day's file and add to the findings; 0 findings to begin with. It
 * fails the test when a line is neither whole nor the beginning of one, when
 * lines are fused, doubled or out of order. A missing file has no lines. */
void narrative_read(narrative_findings *findings, const char *name);

#endif
