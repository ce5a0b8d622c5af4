/* What a JSON tree looks like inside, for the reader and the printer.
 *
 * Every value knows the container it is in, and every container knows how many
 * levels of containers it holds, itself included. Attaching a value keeps that
 * number at or below TJ_JSON_DEPTH_MAX, so that whoever walks a tree needs a
 * stack of that size at most, and walking back up needs none. */
#ifndef TJ_BASE_JSON_TREE_H
#define TJ_BASE_JSON_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <timedjobs/json.h>

/* A key with its value. `rank` is the place in printing order: the number
 * itself for a key that is an array index, else a number above all of these
 * that grows with each key. */
typedef struct tj__json_member {
    tj_json *value;
    uint64_t rank;
    uint64_t hash; /* set once the object has an index */
    size_t key_size;
    char key[];
} tj__json_member;

struct tj_json {
    tj_json_type type;
    bool is_integer; /* a number: `integer` holds it, else `number` */
    uint16_t height; /* 0: no container */
    tj_json *parent; /* NULL at the root */

    union {
        bool boolean;
        int64_t integer;
        double number;

        struct {
            const char *text; /* in the same allocation, behind the struct */
            size_t size;
        } string;

        struct {
            tj_json **items;
            size_t size, capacity;
        } array;

        struct {
            tj__json_member **members; /* ascending by rank */
            size_t size, capacity;
            tj__json_member **slots; /* the index; NULL while small */
        } object;
    };
};

static inline bool tj__json_is_container(const tj_json *value)
{
    return value->type == TJ_JSON_ARRAY || value->type == TJ_JSON_OBJECT;
}

tj_json *tj__json_new(tj_json_type type);
tj_json *tj__json_new_text(const char *text, size_t size);

/* Make room for one more element and return the place for it, which holds
 * NULL; NULL when out of memory. The caller puts a value there before it does
 * anything else with the array. */
tj_json **tj__json_array_push(tj_json *array);

/* Find a key; NULL if it is not there. */
tj__json_member *
tj__json_member_find(const tj_json *object, const char *key, size_t size);

/* Add a key that is not there, last in `members` whatever its rank, with a
 * NULL value; NULL when out of memory. The caller sets the value and then
 * calls one of the two below. */
tj__json_member *
tj__json_member_add(tj_json *object, const char *key, size_t size);
/* Bring the last member to its place. */
void tj__json_member_place(tj_json *object);
/* Bring all members to their places. */
void tj__json_members_sort(tj_json *object);

#endif
