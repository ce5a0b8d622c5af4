/* Loading a configuration from a text, for the tests of it. */
#ifndef TESTS_UNIT_DAEMON_CONFIG_SUPPORT_H
#define TESTS_UNIT_DAEMON_CONFIG_SUPPORT_H

#include <stddef.h>

#include "base/buf.h"
#include "daemon/config.h"

/* What a load came to. */
struct loaded {
    int code;
    struct config *config; /* NULL unless code is 0 */
    struct config_report *report;
    tj_buf text; /* the report as it is printed, "" when it is empty */
};

/* Options that do not depend on who runs the test and where. */
struct config_options test_options(const char *path);

/* Load a text as the file "t.yaml". */
struct loaded load_text(const char *text, size_t size);
struct loaded load_string(const char *text);
/* Load a real file, and what lies beside it. */
struct loaded load_path(const struct config_options *options);

/* A wrong file and all that is to be printed about it. */
struct mistake {
    int line; /* of the test's source */
    const char *text;
    size_t size;
    const char *expected;
};

#define MISTAKE(text, expected)                         \
    {                                                   \
        __LINE__, (text), sizeof(text) - 1, (expected), \
    }

/* Fail unless each of them is told as expected, and in printable text. */
void mistakes_check(const struct mistake *mistakes, size_t count);

void loaded_done(struct loaded *loaded);

#endif
