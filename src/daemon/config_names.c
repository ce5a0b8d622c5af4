/* See config_names.h. */
#include "daemon/config_names.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

/* FNV-1a. */
static uint64_t name_hash(const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    while (*text)
        hash = (hash ^ (unsigned char)*text++) * UINT64_C(1099511628211);
    return hash ^ hash >> 32;
}

/* The slot that holds the name, or the free one where it belongs. */
static struct config_name *
name_slot(struct config_name *slots, size_t capacity, const char *text)
{
    size_t at = (size_t)name_hash(text) & (capacity - 1);

    while (slots[at].text && strcmp(slots[at].text, text) != 0)
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

static int names_grow(struct config_names *names)
{
    size_t capacity = names->capacity ? names->capacity * 2 : 16;
    struct config_name *slots = tj__calloc(capacity, sizeof(*slots));
    size_t at;

    if (!slots)
        return TJ_ENOMEM;
    for (at = 0; at < names->capacity; at++) {
        if (names->slots[at].text)
            *name_slot(slots, capacity, names->slots[at].text) =
                names->slots[at];
    }
    tj__free(names->slots);
    names->slots = slots;
    names->capacity = capacity;
    return 0;
}

int config_names_add(struct config_names *names,
                     const char *text,
                     struct config_mark mark,
                     struct config_mark *ret_first)
{
    struct config_name *slot;

    if (names->count * 2 >= names->capacity && names_grow(names))
        return TJ_ENOMEM;
    slot = name_slot(names->slots, names->capacity, text);
    if (slot->text) {
        *ret_first = slot->mark;
        return TJ_EEXIST;
    }
    slot->text = text;
    slot->mark = mark;
    names->count++;
    return 0;
}

void config_names_done(struct config_names *names)
{
    tj__free(names->slots);
    memset(names, 0, sizeof(*names));
}
