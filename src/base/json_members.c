/* The keys of a JSON object: their printing order, and finding one among many.
 *
 * A small object is searched from end to end. A larger one has an index, an
 * open hash table with a key that differs from process to process, so that
 * whoever chooses the keys cannot choose collisions. Members are never
 * removed one by one, so the index has no tombstones. */
#include "base/json_tree.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/alloc.h"

#define CAPACITY_MIN     4
#define CAPACITY_INDEXED 32 /* from here on there is an index */
#define RANK_NAMED       (UINT64_C(1) << 32)
#define ARRAY_INDEX_MAX  UINT64_C(4294967294)

/* ---- SipHash-1-3 ---------------------------------------------------------*/

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32) + v[3];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static uint64_t key_hash(const char *key, size_t size)
{
    /* Sixteen random bytes that the kernel gives to every program. */
    const void *random = (const void *)getauxval(AT_RANDOM);
    uint64_t seed[2] = { 0, 0 };
    uint64_t last = (uint64_t)size << 56;
    uint64_t v[4], word;
    int round;

    if (random)
        memcpy(seed, random, sizeof(seed));
    v[0] = seed[0] ^ UINT64_C(0x736f6d6570736575);
    v[1] = seed[1] ^ UINT64_C(0x646f72616e646f6d);
    v[2] = seed[0] ^ UINT64_C(0x6c7967656e657261);
    v[3] = seed[1] ^ UINT64_C(0x7465646279746573);

    for (; size >= sizeof(word); key += sizeof(word), size -= sizeof(word)) {
        memcpy(&word, key, sizeof(word));
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    while (size--)
        last |= (uint64_t)(unsigned char)key[size] << (8 * size);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (round = 0; round < 3; round++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- the index -----------------------------------------------------------*/

/* Twice as many slots as members fit, a power of two. */
static size_t slot_mask(const tj_json *object)
{
    return object->object.capacity * 2 - 1;
}

static void
slots_insert(tj__json_member **slots, size_t mask, tj__json_member *member)
{
    size_t at = (size_t)member->hash & mask;

    while (slots[at])
        at = (at + 1) & mask;
    slots[at] = member;
}

static bool
key_equals(const tj__json_member *member, const char *key, size_t size)
{
    return member->key_size == size && memcmp(member->key, key, size) == 0;
}

tj__json_member *
tj__json_member_find(const tj_json *object, const char *key, size_t size)
{
    size_t mask, at;
    uint64_t hash;

    if (!object->object.slots) {
        for (at = 0; at < object->object.size; at++) {
            if (key_equals(object->object.members[at], key, size))
                return object->object.members[at];
        }
        return NULL;
    }
    hash = key_hash(key, size);
    mask = slot_mask(object);
    for (at = (size_t)hash & mask; object->object.slots[at];
         at = (at + 1) & mask) {
        tj__json_member *member = object->object.slots[at];

        if (member->hash == hash && key_equals(member, key, size))
            return member;
    }
    return NULL;
}

/* Double the room for members and, past a size, for the index. */
static bool members_grow(tj_json *object)
{
    size_t capacity =
        object->object.capacity ? object->object.capacity * 2 : CAPACITY_MIN;
    tj__json_member **slots = NULL;
    tj__json_member **members;
    size_t at;

    if (capacity >= CAPACITY_INDEXED) {
        slots = tj__calloc(capacity * 2, sizeof(tj__json_member *));
        if (!slots)
            return false;
    }
    members = tj__realloc(object->object.members,
                          capacity * sizeof(tj__json_member *));
    if (!members) {
        tj__free(slots);
        return false;
    }
    object->object.members = members;
    object->object.capacity = capacity;
    if (!slots)
        return true;

    for (at = 0; at < object->object.size; at++) {
        if (!object->object.slots)
            members[at]->hash =
                key_hash(members[at]->key, members[at]->key_size);
        slots_insert(slots, slot_mask(object), members[at]);
    }
    tj__free(object->object.slots);
    object->object.slots = slots;
    return true;
}

/* ---- order ---------------------------------------------------------------*/

/* "0", "17", up to "4294967294", in the only form in which JavaScript prints
 * such a number. */
static bool is_array_index(const char *key, size_t size, uint64_t *ret_index)
{
    uint64_t index = 0;
    size_t at;

    if (size == 0 || size > 10 || (key[0] == '0' && size > 1))
        return false;
    for (at = 0; at < size; at++) {
        if (key[at] < '0' || key[at] > '9')
            return false;
        index = index * 10 + (uint64_t)(key[at] - '0');
    }
    *ret_index = index;
    return index <= ARRAY_INDEX_MAX;
}

tj__json_member *
tj__json_member_add(tj_json *object, const char *key, size_t size)
{
    tj__json_member *member;

    if (object->object.size == object->object.capacity && !members_grow(object))
        return NULL;
    member = tj__malloc(sizeof(*member) + size + 1);
    if (!member)
        return NULL;
    member->value = NULL;
    member->key_size = size;
    memcpy(member->key, key, size);
    member->key[size] = '\0';
    if (!is_array_index(key, size, &member->rank))
        member->rank = RANK_NAMED + object->object.size;
    member->hash = 0;
    if (object->object.slots) {
        member->hash = key_hash(key, size);
        slots_insert(object->object.slots, slot_mask(object), member);
    }
    object->object.members[object->object.size++] = member;
    return member;
}

void tj__json_member_place(tj_json *object)
{
    tj__json_member **members = object->object.members;
    size_t last = object->object.size - 1;
    tj__json_member *member = members[last];
    size_t low = 0;
    size_t high = last;

    if (last == 0 || members[last - 1]->rank < member->rank)
        return;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (members[middle]->rank < member->rank)
            low = middle + 1;
        else
            high = middle;
    }
    memmove(members + low + 1, members + low,
            (last - low) * sizeof(tj__json_member *));
    members[low] = member;
}

static int rank_compare(const void *left, const void *right)
{
    uint64_t left_rank = (*(tj__json_member *const *)left)->rank;
    uint64_t right_rank = (*(tj__json_member *const *)right)->rank;

    return (left_rank > right_rank) - (left_rank < right_rank);
}

void tj__json_members_sort(tj_json *object)
{
    tj__json_member **members = object->object.members;
    size_t at;

    for (at = 1; at < object->object.size; at++) {
        if (members[at - 1]->rank > members[at]->rank) {
            qsort(members, object->object.size, sizeof(tj__json_member *),
                  rank_compare);
            return;
        }
    }
}
