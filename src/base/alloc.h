/* The one way to memory, so that tests can make the n-th allocation fail.
 * tj_set_allocator (timedjobs/testing.h) swaps the functions. */
#ifndef TJ_BASE_ALLOC_H
#define TJ_BASE_ALLOC_H

#include <stddef.h>

void *tj__malloc(size_t size);
void *tj__calloc(size_t count, size_t size);
void *tj__realloc(void *memory, size_t size);
void tj__free(void *memory);

/* Copy a string; NULL for NULL or when out of memory. */
char *tj__strdup(const char *text);
char *tj__strndup(const char *text, size_t size);

#endif
