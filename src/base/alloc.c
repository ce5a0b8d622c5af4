/* See alloc.h. */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#include <timedjobs/json.h>
#include <timedjobs/testing.h>

/* The library's only variable; set before anything runs.
 * NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables) */
static tj_allocator g_allocator = { malloc, calloc, realloc, free };

void tj_set_allocator(const tj_allocator *allocator)
{
    static const tj_allocator libc_allocator = { malloc, calloc, realloc,
                                                 free };

    g_allocator = allocator ? *allocator : libc_allocator;
}

void *tj__malloc(size_t size)
{
    return g_allocator.malloc(size);
}

void *tj__calloc(size_t count, size_t size)
{
    return g_allocator.calloc(count, size);
}

void *tj__realloc(void *memory, size_t size)
{
    return g_allocator.realloc(memory, size);
}

void tj__free(void *memory)
{
    g_allocator.free(memory);
}

void tj_free(void *memory)
{
    tj__free(memory);
}

char *tj__strdup(const char *text)
{
    return text ? tj__strndup(text, strlen(text)) : NULL;
}

char *tj__strndup(const char *text, size_t size)
{
    char *copy = tj__malloc(size + 1);

    if (!copy)
        return NULL;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}
