/* See log_dir_fixture.h. */
#include "log_dir_fixture.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "faulty_sys.h"

static char g_dir[256];
static _Atomic int64_t g_wall_ms;

int fixture_setup(void **state)
{
    const char *base = getenv("TMPDIR"); // NOLINT(concurrency-mt-unsafe)

    (void)state;
    snprintf(g_dir, sizeof(g_dir), "%s/timed-jobs-log-XXXXXX",
             base ? base : "/tmp");
    g_wall_ms = DAY_1_MS;
    faulty_reset();
    return mkdtemp(g_dir) ? 0 : -1;
}

static int tree_remove_one(const char *path,
                           const struct stat *status,
                           int type,
                           struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

void fixture_remove_tree(const char *path)
{
    nftw(path, tree_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int fixture_teardown(void **state)
{
    (void)state;
    fixture_remove_tree(g_dir);
    return 0;
}

const char *fixture_dir(void)
{
    return g_dir;
}

const char *fixture_path(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", g_dir, name);
    return path;
}

char *fixture_read(const char *name, size_t *ret_size)
{
    FILE *file = fopen(fixture_path(name), "re");
    struct stat status;
    char *text;
    size_t size;

    if (!file)
        return NULL;
    assert_int_equal(fstat(fileno(file), &status), 0);
    text = malloc((size_t)status.st_size + 1);
    assert_non_null(text);
    size = fread(text, 1, (size_t)status.st_size, file);
    text[size] = '\0';
    fclose(file);
    if (ret_size)
        *ret_size = size;
    return text;
}

void fixture_write(const char *name, const char *text)
{
    FILE *file = fopen(fixture_path(name), "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

bool fixture_has(const char *name)
{
    struct stat status;

    return lstat(fixture_path(name), &status) == 0;
}

void fixture_expect(const char *name, const char *text)
{
    char *found = fixture_read(name, NULL);

    assert_non_null(found);
    assert_string_equal(found, text);
    free(found);
}

static tj_instant clock_now(void *userdata)
{
    (void)userdata;
    return (tj_instant){ .wall_ms = g_wall_ms };
}

tj_clock fixture_clock(void)
{
    return (tj_clock){ .now = clock_now };
}

void fixture_clock_set(int64_t wall_ms)
{
    g_wall_ms = wall_ms;
}
