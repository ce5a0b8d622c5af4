/* See heap.h. */
#include "support/heap.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <timedjobs/testing.h>

static atomic_long g_live;
static atomic_long g_left;     /* allocations that still succeed */
static atomic_long g_failures; /* how many fail after those */
static atomic_bool g_failed;

static bool may_allocate(void)
{
    if (atomic_load(&g_failures) == 0 || atomic_fetch_sub(&g_left, 1) > 0)
        return true;
    if (atomic_fetch_sub(&g_failures, 1) <= 0)
        return true;
    atomic_store(&g_failed, true);
    return false;
}

static void *counted(void *memory)
{
    if (memory)
        atomic_fetch_add(&g_live, 1);
    return memory;
}

static void *heap_malloc(size_t size)
{
    return may_allocate() ? counted(malloc(size)) : NULL;
}

static void *heap_calloc(size_t count, size_t size)
{
    return may_allocate() ? counted(calloc(count, size)) : NULL;
}

static void *heap_realloc(void *memory, size_t size)
{
    if (!may_allocate())
        return NULL;
    return memory ? realloc(memory, size) : counted(malloc(size));
}

static void heap_free(void *memory)
{
    if (memory)
        atomic_fetch_sub(&g_live, 1);
    free(memory);
}

void heap_install(void)
{
    static const tj_allocator allocator = { heap_malloc, heap_calloc,
                                            heap_realloc, heap_free };

    heap_fail_never();
    tj_set_allocator(&allocator);
}

void heap_remove(void)
{
    heap_fail_never();
    if (heap_live() != 0) {
        fprintf(stderr, "heap: %ld blocks were not given back\n", heap_live());
        abort();
    }
    tj_set_allocator(NULL);
}

static void heap_fail(long successes, long failures)
{
    atomic_store(&g_failed, false);
    atomic_store(&g_left, successes);
    atomic_store(&g_failures, failures);
}

void heap_fail_after(long successes)
{
    heap_fail(successes, LONG_MAX);
}

void heap_fail_once_after(long successes)
{
    heap_fail(successes, 1);
}

void heap_fail_never(void)
{
    heap_fail(0, 0);
}

bool heap_failed(void)
{
    return atomic_load(&g_failed);
}

long heap_live(void)
{
    return atomic_load(&g_live);
}
