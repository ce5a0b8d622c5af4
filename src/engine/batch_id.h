/* Batch ids: "<job>-<unix ms>-<sequence>", as the reference has them.
 *
 * A tick writes one, so it is kept written: while the millisecond stays the
 * same, only the last digits change. */
#ifndef TJ_ENGINE_BATCH_ID_H
#define TJ_ENGINE_BATCH_ID_H

#include <stddef.h>
#include <stdint.h>

#include <timedjobs/engine.h>

typedef struct tj_batch_id {
    int64_t wall_ms; /* that `text` shows, when ms_size is not 0 */
    size_t job_size; /* "<job>-" */
    size_t ms_size;  /* "<job>-<unix ms>-"; 0 before the first use */
    size_t size;     /* the whole, without the NUL */
    char text[TJ_BATCH_ID_SIZE];
} tj_batch_id;

/* `job` has at most TJ_JOB_NAME_MAX bytes. */
void tj__batch_id_init(tj_batch_id *id, const char *job);

void tj__batch_id_set(tj_batch_id *id, int64_t wall_ms, uint64_t sequence);

#endif
