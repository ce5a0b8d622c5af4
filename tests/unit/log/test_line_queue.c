/* The ring of waiting lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "log/line_queue.h"

#define CAPACITY   ((size_t)64 * 1024)
#define CHUNK_SIZE ((size_t)4096)

static uint32_t random_next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static tj_line_queue queue_make(void)
{
    tj_line_queue queue;

    assert_true(tj__line_queue_init(&queue, CAPACITY, CHUNK_SIZE));
    return queue;
}

/* Compare a chunk with the stream's bytes from `place` on. */
static void chunk_expect(const tj_chunk *chunk, uint64_t place)
{
    for (int i = 0; i < chunk->n_parts; i++) {
        const char *bytes = chunk->parts[i].iov_base;

        for (size_t k = 0; k < chunk->parts[i].iov_len; k++, place++)
            if (bytes[k] != (char)('a' + place % 23))
                fail_msg("byte %llu differs", (unsigned long long)place);
    }
}

/* Whatever the interleaving and wherever the ring ends: bytes come out as
 * they went in, and no room is lost on the way. */
static void test_random_use_keeps_every_byte(void **state)
{
    tj_line_queue queue = queue_make();
    char batch[3 * CHUNK_SIZE];
    uint64_t n_put = 0, n_gone = 0;
    uint32_t seed = 7;
    tj_chunk chunk;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        size_t size = 1 + random_next(&seed) % (sizeof(batch) / 2);
        int64_t day = 20000 + random_next(&seed) % 16 / 15;

        if (random_next(&seed) % 64 == 0)
            size = sizeof(batch);
        if (random_next(&seed) % 2 == 0) {
            if (!tj__line_queue_has_room(&queue, size, 1))
                continue;
            for (size_t i = 0; i < size; i++)
                batch[i] = (char)('a' + (n_put + i) % 23);
            tj__line_queue_put(&queue, day, batch, size, 1);
            n_put += size;
        } else if (tj__line_queue_take(&queue, &chunk)) {
            chunk_expect(&chunk, n_gone);
            n_gone += chunk.size;
            tj__line_queue_drop(&queue);
        }
        assert_int_equal(queue.size, n_put - n_gone);
        assert_true(queue.used <= queue.capacity);
    }
    while (tj__line_queue_take(&queue, &chunk)) {
        chunk_expect(&chunk, n_gone);
        n_gone += chunk.size;
        tj__line_queue_drop(&queue);
    }
    assert_int_equal(n_gone, n_put);
    assert_int_equal(queue.used, 0);
    assert_int_equal(queue.n_lines, 0);
    tj__line_queue_done(&queue);
}

/* Many small batches make one write. */
static void test_batches_of_a_day_share_a_chunk(void **state)
{
    tj_line_queue queue = queue_make();
    tj_chunk chunk;

    (void)state;
    tj__line_queue_put(&queue, 1, "a\n", 2, 1);
    tj__line_queue_put(&queue, 1, "b\nc\n", 4, 2);
    assert_true(tj__line_queue_take(&queue, &chunk));
    assert_int_equal(chunk.size, 6);
    assert_int_equal(chunk.n_lines, 3);
    assert_memory_equal(chunk.parts[0].iov_base, "a\nb\nc\n", 6);
    tj__line_queue_done(&queue);
}

/* Lines of two days must not meet in one file. */
static void test_another_day_begins_a_chunk(void **state)
{
    tj_line_queue queue = queue_make();
    tj_chunk chunk;

    (void)state;
    tj__line_queue_put(&queue, 1, "a\n", 2, 1);
    tj__line_queue_put(&queue, 2, "b\n", 2, 1);
    tj__line_queue_put(&queue, 1, "c\n", 2, 1);
    for (int i = 0; i < 3; i++) {
        assert_true(tj__line_queue_take(&queue, &chunk));
        assert_int_equal(chunk.day, i == 1 ? 2 : 1);
        assert_int_equal(chunk.size, 2);
        tj__line_queue_drop(&queue);
    }
    assert_false(tj__line_queue_take(&queue, &chunk));
    tj__line_queue_done(&queue);
}

/* The bytes that a write is looking at stay as they are. */
static void test_a_taken_chunk_does_not_grow(void **state)
{
    tj_line_queue queue = queue_make();
    tj_chunk chunk, again;

    (void)state;
    tj__line_queue_put(&queue, 1, "a\n", 2, 1);
    assert_true(tj__line_queue_take(&queue, &chunk));
    tj__line_queue_put(&queue, 1, "b\n", 2, 1);
    assert_true(tj__line_queue_take(&queue, &again));
    assert_int_equal(again.size, 2);
    assert_ptr_equal(again.parts[0].iov_base, chunk.parts[0].iov_base);
    tj__line_queue_done(&queue);
}

/* The largest batch that is promised to fit does fit, one more byte not. */
static void test_room_ends_at_the_capacity(void **state)
{
    tj_line_queue queue = queue_make();
    size_t size = tj__line_queue_size_max(&queue);
    char *batch = calloc(1, size + 1);
    tj_chunk chunk;

    (void)state;
    assert_non_null(batch);
    assert_true(tj__line_queue_has_room(&queue, size, 1));
    assert_false(tj__line_queue_has_room(&queue, size + 1, 1));
    assert_false(tj__line_queue_has_room(&queue, SIZE_MAX - 1, 1));
    tj__line_queue_put(&queue, 1, batch, size, 1);
    assert_false(tj__line_queue_has_room(&queue, 1, 1));
    assert_true(tj__line_queue_take(&queue, &chunk));
    assert_int_equal(chunk.size, size);
    tj__line_queue_drop(&queue);
    assert_int_equal(queue.used, 0);
    free(batch);
    tj__line_queue_done(&queue);
}

/* A quiet log holds no memory of the burst that is over. */
static void test_trim_gives_back_what_a_burst_took(void **state)
{
    tj_line_queue queue;
    char batch[4096] = "";
    tj_chunk chunk;

    (void)state;
    assert_true(tj__line_queue_init(&queue, 16 * CAPACITY, CHUNK_SIZE));
    assert_false(tj__line_queue_is_fat(&queue));
    while (tj__line_queue_has_room(&queue, sizeof(batch), 1))
        tj__line_queue_put(&queue, 1, batch, sizeof(batch), 1);
    assert_false(tj__line_queue_is_fat(&queue)); /* not while lines wait */
    while (tj__line_queue_take(&queue, &chunk))
        tj__line_queue_drop(&queue);
    assert_true(tj__line_queue_is_fat(&queue));
    tj__line_queue_trim(&queue);
    assert_false(tj__line_queue_is_fat(&queue));
    tj__line_queue_put(&queue, 1, "a\n", 2, 1);
    assert_true(tj__line_queue_take(&queue, &chunk));
    assert_memory_equal(chunk.parts[0].iov_base, "a\n", 2);
    tj__line_queue_done(&queue);
}

/* No address space is an error, not a crash. */
static void test_a_ring_that_cannot_be_mapped_is_refused(void **state)
{
    tj_line_queue queue;

    (void)state;
    assert_false(tj__line_queue_init(&queue, (size_t)1 << 62, CHUNK_SIZE));
    tj__line_queue_done(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_use_keeps_every_byte),
        cmocka_unit_test(test_batches_of_a_day_share_a_chunk),
        cmocka_unit_test(test_another_day_begins_a_chunk),
        cmocka_unit_test(test_a_taken_chunk_does_not_grow),
        cmocka_unit_test(test_room_ends_at_the_capacity),
        cmocka_unit_test(test_trim_gives_back_what_a_burst_took),
        cmocka_unit_test(test_a_ring_that_cannot_be_mapped_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
