/* The end of a stream of any length, in a buffer of fixed size. */
#ifndef TJ_RUNNERS_CAPTURE_H
#define TJ_RUNNERS_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

typedef struct tj_capture {
    char *tail; /* a ring of `max` bytes, made with the first byte */
    size_t max;
    uint64_t total; /* bytes seen */
} tj_capture;

void tj__capture_init(tj_capture *capture, size_t max);
void tj__capture_done(tj_capture *capture);
/* Out of memory loses the text, never the count. */
void tj__capture_add(tj_capture *capture, const char *bytes, size_t size);
/* How many bytes are kept. */
size_t tj__capture_size(const tj_capture *capture);
/* Copy what is kept, in order; `bytes` has room for tj__capture_size. */
void tj__capture_copy(const tj_capture *capture, char *bytes);
/* What is kept as text for a tj_json string: NUL as C0 80, and when the
 * beginning is missing, from the first whole character on. NULL when out of
 * memory; tj__free it. */
char *tj__capture_text(const tj_capture *capture);

#endif
