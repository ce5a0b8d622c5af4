/* See line_queue.h. */
#include "log/line_queue.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEAD_SIZE sizeof(tj_chunk_head)
/* What an idle queue keeps resident at most. */
#define KEEP_SIZE ((size_t)64 * 1024)

_Static_assert(sizeof(tj_chunk_head) == 32, "heads must never wrap");

static size_t align_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

bool tj__line_queue_init(tj_line_queue *queue,
                         size_t capacity,
                         size_t chunk_size)
{
    void *ring;

    *queue = (tj_line_queue){ .chunk_size = chunk_size };
    queue->capacity = align_up(capacity, (size_t)sysconf(_SC_PAGESIZE));
    /* Mapped and not allocated: pages come when they are first written, and
     * go back when the queue is trimmed. */
    ring = mmap(NULL, queue->capacity, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ring == MAP_FAILED)
        return false;
    /* One line must not make 2 MiB resident. Kernels without huge pages
     * refuse this, and need it not. */
    (void)madvise(ring, queue->capacity, MADV_NOHUGEPAGE);
    queue->ring = ring;
    return true;
}

void tj__line_queue_done(tj_line_queue *queue)
{
    if (queue->ring)
        munmap(queue->ring, queue->capacity);
    queue->ring = NULL;
}

size_t tj__line_queue_size_max(const tj_line_queue *queue)
{
    return queue->capacity - HEAD_SIZE;
}

bool tj__line_queue_has_room(const tj_line_queue *queue,
                             size_t size,
                             size_t n_batches)
{
    /* Each batch may need a head of its own, put on the next boundary. */
    size_t overhead = n_batches * 2 * HEAD_SIZE;

    if (queue->used == 0)
        overhead = (2 * n_batches - 1) * HEAD_SIZE;
    return size <= queue->capacity &&
           overhead + size <= queue->capacity - queue->used;
}

static void ring_advance(tj_line_queue *queue, size_t size)
{
    queue->used += size;
    queue->head += size;
    if (queue->head >= queue->capacity) {
        queue->head -= queue->capacity;
        queue->touched = queue->capacity;
    } else if (queue->head > queue->touched) {
        queue->touched = queue->head;
    }
}

static void chunk_begin(tj_line_queue *queue, int64_t day)
{
    tj_chunk_head *head;

    ring_advance(queue, align_up(queue->head, HEAD_SIZE) - queue->head);
    head = (tj_chunk_head *)(void *)(queue->ring + queue->head);
    *head = (tj_chunk_head){ .day = day };
    ring_advance(queue, HEAD_SIZE);
    queue->open = head;
    queue->last_day = day;
}

static void ring_write(tj_line_queue *queue, const char *bytes, size_t size)
{
    size_t first = queue->capacity - queue->head;

    if (first > size)
        first = size;
    memcpy(queue->ring + queue->head, bytes, first);
    memcpy(queue->ring, bytes + first, size - first);
    ring_advance(queue, size);
}

void tj__line_queue_put(tj_line_queue *queue,
                        int64_t day,
                        const char *lines,
                        size_t size,
                        size_t n_lines)
{
    tj_chunk_head *open = queue->open;

    if (!open || open->day != day || open->size + size > queue->chunk_size)
        chunk_begin(queue, day);
    ring_write(queue, lines, size);
    queue->open->size += size;
    queue->open->n_lines += n_lines;
    queue->size += size;
    queue->n_lines += n_lines;
    queue->n_put += size;
}

bool tj__line_queue_take(tj_line_queue *queue, tj_chunk *ret_chunk)
{
    tj_chunk_head *head = (tj_chunk_head *)(void *)(queue->ring + queue->tail);
    size_t start, first;

    if (queue->used == 0)
        return false;
    if (queue->open == head)
        queue->open = NULL;

    start = (queue->tail + HEAD_SIZE) % queue->capacity;
    first = queue->capacity - start;
    if (first > head->size)
        first = head->size;
    *ret_chunk = (tj_chunk){
        .day = head->day,
        .size = head->size,
        .n_lines = head->n_lines,
        .parts = { { queue->ring + start, first },
                   { queue->ring, head->size - first } },
        .n_parts = first < head->size ? 2 : 1,
    };
    return true;
}

void tj__line_queue_drop(tj_line_queue *queue)
{
    const tj_chunk_head *head =
        (const tj_chunk_head *)(void *)(queue->ring + queue->tail);
    size_t length = HEAD_SIZE + head->size;

    queue->size -= head->size;
    queue->n_lines -= head->n_lines;
    queue->n_gone += head->size;
    if (length >= queue->used) {
        queue->head = 0;
        queue->tail = 0;
        queue->used = 0;
        return;
    }
    length = align_up(length, HEAD_SIZE);
    queue->tail = (queue->tail + length) % queue->capacity;
    queue->used -= length;
}

bool tj__line_queue_is_fat(const tj_line_queue *queue)
{
    return queue->used == 0 && queue->touched > KEEP_SIZE;
}

void tj__line_queue_trim(tj_line_queue *queue)
{
    if (!tj__line_queue_is_fat(queue))
        return;
    (void)madvise(queue->ring + KEEP_SIZE, queue->capacity - KEEP_SIZE,
                  MADV_DONTNEED);
    queue->touched = KEEP_SIZE;
}
