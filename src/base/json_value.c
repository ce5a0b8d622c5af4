/* JSON values: making, joining and looking at them; see timedjobs/json.h.
 * Nothing here recurses: a tree is walked by the parents of its values. */
#include "base/json_tree.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

/* ---- making --------------------------------------------------------------*/

tj_json *tj__json_new(tj_json_type type)
{
    tj_json *value = tj__calloc(1, sizeof(*value));

    if (value) {
        value->type = type;
        value->height = tj__json_is_container(value) ? 1 : 0;
    }
    return value;
}

tj_json *tj__json_new_text(const char *text, size_t size)
{
    tj_json *value;
    char *copy;

    if (size >= SIZE_MAX - sizeof(*value))
        return NULL;
    value = tj__malloc(sizeof(*value) + size + 1);
    if (!value)
        return NULL;
    copy = (char *)(value + 1);
    memcpy(copy, text, size);
    copy[size] = '\0';
    *value = (tj_json){
        .type = TJ_JSON_STRING,
        .string = { .text = copy, .size = size },
    };
    return value;
}

tj_json *tj_json_new_null(void)
{
    return tj__json_new(TJ_JSON_NULL);
}

tj_json *tj_json_new_bool(bool boolean)
{
    tj_json *value = tj__json_new(TJ_JSON_BOOL);

    if (value)
        value->boolean = boolean;
    return value;
}

tj_json *tj_json_new_int(int64_t integer)
{
    tj_json *value = tj__json_new(TJ_JSON_NUMBER);

    if (value) {
        value->is_integer = true;
        value->integer = integer;
    }
    return value;
}

tj_json *tj_json_new_number(double number)
{
    tj_json *value = tj__json_new(TJ_JSON_NUMBER);

    if (value)
        value->number = number;
    return value;
}

tj_json *tj_json_new_string(const char *text)
{
    return text ? tj__json_new_text(text, strlen(text)) : tj_json_new_null();
}

tj_json *tj_json_new_array(void)
{
    return tj__json_new(TJ_JSON_ARRAY);
}

tj_json *tj_json_new_object(void)
{
    return tj__json_new(TJ_JSON_OBJECT);
}

/* ---- ending --------------------------------------------------------------*/

/* Take the last child out of a container; false when there is none. A child
 * may be NULL in a tree that was never finished. */
static bool child_pop(tj_json *container, tj_json **ret_child)
{
    if (container->type == TJ_JSON_ARRAY && container->array.size) {
        *ret_child = container->array.items[--container->array.size];
        return true;
    }
    if (container->type == TJ_JSON_OBJECT && container->object.size) {
        tj__json_member *member =
            container->object.members[--container->object.size];

        *ret_child = member->value;
        tj__free(member);
        return true;
    }
    return false;
}

static void value_free(tj_json *value)
{
    if (value->type == TJ_JSON_ARRAY) {
        tj__free(value->array.items);
    } else if (value->type == TJ_JSON_OBJECT) {
        tj__free(value->object.members);
        tj__free(value->object.slots);
    }
    tj__free(value);
}

void tj_json_free(tj_json *value)
{
    tj_json *root = value;
    tj_json *child;

    while (value) {
        if (child_pop(value, &child)) {
            if (child)
                value = child;
            continue;
        }
        child = value;
        value = value == root ? NULL : value->parent;
        value_free(child);
    }
}

/* ---- joining -------------------------------------------------------------*/

/* May `value` become a child of `container`? */
static int child_check(const tj_json *container, const tj_json *value)
{
    unsigned height = value->height;
    const tj_json *at;

    if (value->parent)
        return TJ_EINVAL;
    if (!height)
        return 0;
    for (at = container; at; at = at->parent) {
        if (at == value)
            return TJ_EINVAL;
        height++;
    }
    return height > TJ_JSON_DEPTH_MAX ? TJ_ETOOBIG : 0;
}

/* Heights only grow: a container from which a deep child was replaced still
 * counts as deep as it once was. */
static void child_attach(tj_json *container, tj_json *value)
{
    unsigned height = value->height;
    tj_json *at;

    value->parent = container;
    for (at = container; at && at->height <= height; at = at->parent)
        at->height = (uint16_t)++height;
}

tj_json **tj__json_array_push(tj_json *array)
{
    if (array->array.size == array->array.capacity) {
        size_t capacity = array->array.capacity ? array->array.capacity * 2 : 4;
        tj_json **items =
            tj__realloc(array->array.items, capacity * sizeof(tj_json *));

        if (!items)
            return NULL;
        array->array.items = items;
        array->array.capacity = capacity;
    }
    array->array.items[array->array.size] = NULL;
    return &array->array.items[array->array.size++];
}

/* Find or make the place for a child. */
static tj_json **child_place(tj_json *container, const char *key)
{
    tj__json_member *member;
    size_t size;

    if (!key)
        return tj__json_array_push(container);
    size = strlen(key);
    member = tj__json_member_find(container, key, size);
    if (!member) {
        member = tj__json_member_add(container, key, size);
        if (!member)
            return NULL;
        tj__json_member_place(container);
    }
    return &member->value;
}

static int child_take(tj_json *container, const char *key, tj_json *value)
{
    int rc = child_check(container, value);
    tj_json **place;

    /* A value that is in a tree already is not the caller's to give. */
    if (rc == TJ_EINVAL)
        return rc;
    place = rc ? NULL : child_place(container, key);
    if (!place) {
        tj_json_free(value);
        return rc ? rc : TJ_ENOMEM;
    }
    tj_json_free(*place);
    *place = value;
    child_attach(container, value);
    return 0;
}

int tj_json_set_take(tj_json *object, const char *key, tj_json *value)
{
    if (!value)
        return TJ_ENOMEM;
    if (tj_json_type_of(object) != TJ_JSON_OBJECT || !key) {
        if (!value->parent)
            tj_json_free(value);
        return TJ_EINVAL;
    }
    return child_take(object, key, value);
}

int tj_json_append_take(tj_json *array, tj_json *value)
{
    if (!value)
        return TJ_ENOMEM;
    if (tj_json_type_of(array) != TJ_JSON_ARRAY) {
        if (!value->parent)
            tj_json_free(value);
        return TJ_EINVAL;
    }
    return child_take(array, NULL, value);
}

int tj_json_set_string(tj_json *object, const char *key, const char *text)
{
    return tj_json_set_take(object, key, tj_json_new_string(text));
}

int tj_json_set_int(tj_json *object, const char *key, int64_t value)
{
    return tj_json_set_take(object, key, tj_json_new_int(value));
}

int tj_json_set_number(tj_json *object, const char *key, double value)
{
    return tj_json_set_take(object, key, tj_json_new_number(value));
}

int tj_json_set_bool(tj_json *object, const char *key, bool value)
{
    return tj_json_set_take(object, key, tj_json_new_bool(value));
}

int tj_json_set_null(tj_json *object, const char *key)
{
    return tj_json_set_take(object, key, tj_json_new_null());
}

/* ---- copying -------------------------------------------------------------*/

/* A copy without the children. */
static tj_json *value_copy(const tj_json *value)
{
    tj_json *copy;

    if (value->type == TJ_JSON_STRING)
        return tj__json_new_text(value->string.text, value->string.size);
    copy = tj__json_new(value->type);
    if (copy && value->type == TJ_JSON_BOOL) {
        copy->boolean = value->boolean;
    } else if (copy && value->type == TJ_JSON_NUMBER) {
        copy->is_integer = value->is_integer;
        if (value->is_integer)
            copy->integer = value->integer;
        else
            copy->number = value->number;
    }
    return copy;
}

/* Copy child number `size of copy` of `from` to the end of `copy`. Children
 * come in printing order, so that members need no placing. */
static tj_json *child_copy(const tj_json *from, tj_json *copy)
{
    tj_json **place;
    tj_json *child;

    if (from->type == TJ_JSON_ARRAY) {
        child = from->array.items[copy->array.size];
        place = tj__json_array_push(copy);
    } else {
        const tj__json_member *member = from->object.members[copy->object.size];
        tj__json_member *added =
            tj__json_member_add(copy, member->key, member->key_size);

        child = member->value;
        place = added ? &added->value : NULL;
    }
    if (!place)
        return NULL;
    *place = value_copy(child);
    if (*place) {
        (*place)->parent = copy;
        (*place)->height = child->height;
    }
    return *place;
}

tj_json *tj_json_copy(const tj_json *value)
{
    const tj_json *from = value;
    tj_json *copy, *child;

    copy = value ? value_copy(value) : NULL;
    if (!copy)
        return NULL;
    copy->height = value->height;
    for (;;) {
        if (tj_json_size(copy) < tj_json_size(from)) {
            child = child_copy(from, copy);
            if (!child)
                break;
            if (tj__json_is_container(child)) {
                from = tj_json_at(from, tj_json_size(copy) - 1);
                copy = child;
            }
        } else if (from == value) {
            return copy;
        } else {
            from = from->parent;
            copy = copy->parent;
        }
    }
    while (copy->parent)
        copy = copy->parent;
    tj_json_free(copy);
    return NULL;
}

/* ---- looking -------------------------------------------------------------*/

tj_json_type tj_json_type_of(const tj_json *value)
{
    return value ? value->type : TJ_JSON_NULL;
}

size_t tj_json_size(const tj_json *value)
{
    if (!value)
        return 0;
    if (value->type == TJ_JSON_ARRAY)
        return value->array.size;
    return value->type == TJ_JSON_OBJECT ? value->object.size : 0;
}

const tj_json *tj_json_get(const tj_json *object, const char *key)
{
    const tj__json_member *member;

    if (tj_json_type_of(object) != TJ_JSON_OBJECT || !key)
        return NULL;
    member = tj__json_member_find(object, key, strlen(key));
    return member ? member->value : NULL;
}

const tj_json *tj_json_at(const tj_json *value, size_t index)
{
    if (index >= tj_json_size(value))
        return NULL;
    return value->type == TJ_JSON_ARRAY ? value->array.items[index]
                                        : value->object.members[index]->value;
}

const char *tj_json_key_at(const tj_json *object, size_t index)
{
    if (tj_json_type_of(object) != TJ_JSON_OBJECT ||
        index >= object->object.size)
        return NULL;
    return object->object.members[index]->key;
}

const char *tj_json_string_or(const tj_json *value, const char *fallback)
{
    return tj_json_type_of(value) == TJ_JSON_STRING ? value->string.text
                                                    : fallback;
}

double tj_json_number_or(const tj_json *value, double fallback)
{
    if (tj_json_type_of(value) != TJ_JSON_NUMBER)
        return fallback;
    return value->is_integer ? (double)value->integer : value->number;
}

int64_t tj_json_int_or(const tj_json *value, int64_t fallback)
{
    if (tj_json_type_of(value) != TJ_JSON_NUMBER)
        return fallback;
    if (value->is_integer)
        return value->integer;
    /* Both limits are exact doubles; a NaN fails the first comparison. */
    if (!(value->number >= -0x1p63 && value->number < 0x1p63) ||
        value->number != trunc(value->number))
        return fallback;
    return (int64_t)value->number;
}

bool tj_json_bool_or(const tj_json *value, bool fallback)
{
    return tj_json_type_of(value) == TJ_JSON_BOOL ? value->boolean : fallback;
}
