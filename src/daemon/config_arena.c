/* See config_arena.h. */
#include "daemon/config_arena.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

enum { ALIGNMENT = 16, CHUNK_FIRST = 4096, CHUNK_MAX = 262144 };

struct chunk {
    struct chunk *next;
    size_t size; /* of `bytes` */
    size_t used;
    _Alignas(ALIGNMENT) char bytes[];
};

struct config_arena {
    struct chunk *chunks; /* the one in use comes first */
    size_t chunk_size;    /* of the next one */
};

struct config_arena *config_arena_new(void)
{
    struct config_arena *arena = tj__calloc(1, sizeof(*arena));

    if (arena)
        arena->chunk_size = CHUNK_FIRST;
    return arena;
}

void config_arena_free(struct config_arena *arena)
{
    struct chunk *chunk, *next;

    if (!arena)
        return;
    for (chunk = arena->chunks; chunk; chunk = next) {
        next = chunk->next;
        tj__free(chunk);
    }
    tj__free(arena);
}

static struct chunk *chunk_add(struct config_arena *arena, size_t size_min)
{
    size_t size = arena->chunk_size > size_min ? arena->chunk_size : size_min;
    struct chunk *chunk = tj__calloc(1, sizeof(*chunk) + size);

    if (!chunk)
        return NULL;
    chunk->size = size;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    if (arena->chunk_size < CHUNK_MAX)
        arena->chunk_size *= 2;
    return chunk;
}

void *config_arena_take(struct config_arena *arena, size_t size)
{
    struct chunk *chunk = arena->chunks;
    void *memory;

    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (!chunk || chunk->size - chunk->used < size)
        chunk = chunk_add(arena, size);
    if (!chunk)
        return NULL;
    memory = chunk->bytes + chunk->used;
    chunk->used += size;
    return memory;
}

char *
config_arena_copy(struct config_arena *arena, const char *text, size_t size)
{
    char *copy = config_arena_take(arena, size + 1);

    if (copy && size)
        memcpy(copy, text, size);
    return copy;
}
