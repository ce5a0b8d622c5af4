/* Lines that wait for the disk: a ring of bytes with a fixed size.
 *
 * The ring is a queue of chunks. A chunk is what one write takes: lines of
 * one UTC day, whole batches only, as many as came before the writer took it,
 * up to `chunk_size`. Putting is a memcpy and nothing else; there is no
 * allocation for a line or a batch. The memory is touched from its start again
 * whenever the queue has run empty, and can be given back, so that a quiet log
 * holds a page or two and a busy one no more than the ring.
 *
 * Not thread-safe: the owner's lock is around every call. The bytes of a chunk
 * that was taken stay put and may be read without the lock until it is
 * dropped. */
#ifndef TJ_LOG_LINE_QUEUE_H
#define TJ_LOG_LINE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* What precedes the bytes of a chunk in the ring; it never wraps. */
typedef struct tj_chunk_head {
    int64_t day; /* days since 1970-01-01, UTC */
    size_t size;
    size_t n_lines;
    size_t reserved;
} tj_chunk_head;

/* A chunk that was taken: its bytes are in two parts where the ring ends
 * within it. */
typedef struct tj_chunk {
    int64_t day;
    size_t size;
    size_t n_lines;
    struct iovec parts[2];
    int n_parts;
} tj_chunk;

typedef struct tj_line_queue {
    char *ring;
    size_t capacity;   /* bytes of the ring */
    size_t chunk_size; /* a chunk grows up to this */
    size_t head;       /* where the next byte goes */
    size_t tail;       /* the oldest chunk's head */
    size_t used;       /* bytes between tail and head, heads included */
    size_t touched;    /* bytes of the ring that may be resident */
    size_t size;       /* bytes of lines alone */
    size_t n_lines;
    tj_chunk_head *open; /* the youngest chunk, while it may grow */
    int64_t last_day;    /* of the youngest chunk */
    /* Bytes of lines ever put and ever dropped: a place in the stream. */
    uint64_t n_put;
    uint64_t n_gone;
} tj_line_queue;

/* Map the ring. `capacity` is rounded up to whole pages. False: no memory. */
bool tj__line_queue_init(tj_line_queue *queue,
                         size_t capacity,
                         size_t chunk_size);
void tj__line_queue_done(tj_line_queue *queue);

/* The largest batch that fits into an empty queue. */
size_t tj__line_queue_size_max(const tj_line_queue *queue);

/* Tell whether `n_batches` batches of `size` bytes in all would fit now. */
bool tj__line_queue_has_room(const tj_line_queue *queue,
                             size_t size,
                             size_t n_batches);

/* Copy a batch in; there must be room. */
void tj__line_queue_put(tj_line_queue *queue,
                        int64_t day,
                        const char *lines,
                        size_t size,
                        size_t n_lines);

/* Look at the oldest chunk and stop it from growing; false when there is
 * none. The same chunk comes again until it is dropped. */
bool tj__line_queue_take(tj_line_queue *queue, tj_chunk *ret_chunk);

/* Remove the oldest chunk, which was taken. */
void tj__line_queue_drop(tj_line_queue *queue);

/* Give the memory of an empty queue back to the system, but for its start. */
void tj__line_queue_trim(tj_line_queue *queue);

/* Tell whether a trim would give anything back. */
bool tj__line_queue_is_fat(const tj_line_queue *queue);

#endif
