/* A run's output in a file of bounded size: its head and its tail, the cut
 * between them marked. Written through libuv's thread pool, one write in
 * flight, so that a slow disk never holds the loop; what waits is bounded, and
 * who feeds it is told when to pause. */
#ifndef TJ_RUNNERS_OUTPUT_FILE_H
#define TJ_RUNNERS_OUTPUT_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include <timedjobs/error.h>

struct uv_loop_s;

typedef struct tj_output_file tj_output_file;

/* Begin `<dir>/<name>.log`, which must not exist yet. `on_room` is called,
 * from a later turn, when tj__output_file_is_full had said true and there is
 * room again; never after _finish.
 * Returns 0 or TJ_ENOMEM; trouble with the disk shows in _error. */
int tj__output_file_new(struct uv_loop_s *uv,
                        const char *dir,
                        const char *name,
                        size_t max,
                        void (*on_room)(void *userdata),
                        void *userdata,
                        tj_output_file **ret_file,
                        tj_error *reterr);

/* Take bytes; copies them. Never fails: what the disk refused is lost. */
void tj__output_file_add(tj_output_file *file, const char *bytes, size_t size);

/* True when the feeder should pause. */
bool tj__output_file_is_full(tj_output_file *file);

/* What went wrong so far; code 0 when nothing did. */
const tj_error *tj__output_file_error(const tj_output_file *file);

/* No more comes: write the rest, close, release the memory, in the
 * background; the loop stays alive for as long. NULL is a no-op. */
void tj__output_file_finish(tj_output_file *file);

#endif
