/* See lines.h. */
#include "support/lines.h"

#include <stdlib.h>
#include <string.h>

void lines_open(line_file *lines, const char *name)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", TESTS_DATA_DIR, name);
    memset(lines, 0, sizeof(*lines));
    lines->name = name;
    lines->file = fopen(path, "re");
    if (!lines->file) {
        perror(path);
        abort();
    }
}

bool lines_next(line_file *lines, char **ret_text)
{
    ssize_t size = getline(&lines->text, &lines->capacity, lines->file);

    if (size < 0) {
        fclose(lines->file);
        free(lines->text);
        return false;
    }
    if (size > 0 && lines->text[size - 1] == '\n')
        lines->text[size - 1] = '\0';
    lines->number++;
    *ret_text = lines->text;
    return true;
}

bool lines_next_pair(line_file *lines,
                     char separator,
                     char **ret_left,
                     char **ret_right)
{
    char *found;

    if (!lines_next(lines, ret_left))
        return false;
    found = strchr(*ret_left, separator);
    if (!found) {
        fprintf(stderr, "%s:%zu: no separator\n", lines->name, lines->number);
        abort();
    }
    *found = '\0';
    *ret_right = found + 1;
    return true;
}
