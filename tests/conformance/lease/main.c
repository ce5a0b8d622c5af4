/* The suite on every backend that there is. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

#include <timedjobs/lease_sqlite.h>

/* ---- memory ---- */

static void *memory_open(void)
{
    tj_lease_memory *memory = NULL;

    if (tj_lease_memory_new(&memory))
        abort();
    return memory;
}

static tj_lease_backend *memory_node(void *site)
{
    tj_lease_backend *backend = NULL;

    if (tj_lease_backend_memory_new(site, &backend, NULL))
        abort();
    return backend;
}

static void memory_close(void *site)
{
    tj_lease_memory_free(site);
}

/* ---- sqlite ---- */

static void *sqlite_open(void)
{
    char *directory = strdup("/tmp/tj-lease-suite-XXXXXX");

    if (!directory || !mkdtemp(directory))
        abort();
    return directory;
}

static tj_lease_backend *sqlite_node(void *site)
{
    tj_lease_backend *backend = NULL;
    char path[64];

    snprintf(path, sizeof(path), "%s/lease.db", (const char *)site);
    if (tj_lease_backend_sqlite_new(path, &backend, NULL))
        abort();
    return backend;
}

static void sqlite_close(void *site)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -rf %s", (const char *)site);
    if (system(command))
        abort();
    free(site);
}

/* ---- traced ---- */

/* Lines are looked at as they come; several threads may trace at once. */
static void on_line(const char *line, void *userdata)
{
    static const char *const verbs[] = { "read ",    "acquire ", "renew ",
                                         "release ", "repair ",  "pause ",
                                         "resume " };
    size_t at;

    for (at = 0; at < sizeof(verbs) / sizeof(verbs[0]); at++) {
        if (!strncmp(line, verbs[at], strlen(verbs[at])) &&
            strstr(line, " -> ") && !strcmp(line + strlen(line) - 2, "us"))
            return;
    }
    (void)fprintf(stderr, "odd line: %s\n", line);
    abort();
}

static tj_lease_backend *traced(tj_lease_backend *inner)
{
    tj_lease_backend *backend = NULL;

    if (tj_lease_backend_trace_new(inner, on_line, NULL, &backend))
        abort();
    return backend;
}

static tj_lease_backend *traced_memory_node(void *site)
{
    return traced(memory_node(site));
}

static tj_lease_backend *traced_sqlite_node(void *site)
{
    return traced(sqlite_node(site));
}

int main(int argc, char **argv)
{
    static const lease_site sites[] = {
        { "memory", memory_open, memory_node, memory_close },
        { "sqlite", sqlite_open, sqlite_node, sqlite_close },
        { "trace-memory", memory_open, traced_memory_node, memory_close },
        { "trace-sqlite", sqlite_open, traced_sqlite_node, sqlite_close },
    };
    size_t at;

    for (at = 0; argc > 1 && at < sizeof(sites) / sizeof(sites[0]); at++) {
        if (!strcmp(argv[1], sites[at].name))
            return lease_suite_run(&sites[at]);
    }
    (void)fprintf(stderr, "usage: %s memory|sqlite|trace-memory|trace-sqlite\n",
                  argv[0]);
    return 2;
}
