/* Memory of a configuration: many small pieces, all freed together. */
#ifndef DAEMON_CONFIG_ARENA_H
#define DAEMON_CONFIG_ARENA_H

#include <stddef.h>

struct config_arena;

/* NULL when out of memory. */
struct config_arena *config_arena_new(void);
/* NULL is a no-op. */
void config_arena_free(struct config_arena *arena);

/* `size` zeroed bytes, aligned for any of our structs; NULL when out of
 * memory. They live until the arena is freed. */
void *config_arena_take(struct config_arena *arena, size_t size);

/* A copy with a NUL; NULL when out of memory. */
char *
config_arena_copy(struct config_arena *arena, const char *text, size_t size);

#endif
