/* The recorded data files of tests/data, line by line. */
#ifndef TESTS_SUPPORT_LINES_H
#define TESTS_SUPPORT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct line_file {
    FILE *file;
    const char *name;
    char *text; /* the current line, without its end */
    size_t capacity;
    size_t number; /* the current line's, from 1 */
} line_file;

/* Open tests/data/<name>; ends the program when it cannot. */
void lines_open(line_file *lines, const char *name);

/* Read the next line and cut it at the first `separator`: `*ret_left` and
 * `*ret_right` are valid until the next call. Ends the program when the
 * separator is missing. False at the end of the file, which it closes. */
bool lines_next_pair(line_file *lines,
                     char separator,
                     char **ret_left,
                     char **ret_right);

/* Read the next line whole. */
bool lines_next(line_file *lines, char **ret_text);

#endif
