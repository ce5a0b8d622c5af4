/* See batch_id.h. */
#include "engine/batch_id.h"

#include <string.h>

#include "base/text.h"

void tj__batch_id_init(tj_batch_id *id, const char *job)
{
    size_t size = strlen(job);

    memset(id, 0, sizeof(*id));
    memcpy(id->text, job, size);
    id->text[size] = '-';
    id->job_size = size + 1;
}

void tj__batch_id_set(tj_batch_id *id, int64_t wall_ms, uint64_t sequence)
{
    if (id->wall_ms != wall_ms || !id->ms_size) {
        id->ms_size = id->job_size +
                      tj__text_format_i64(id->text + id->job_size, wall_ms);
        id->text[id->ms_size++] = '-';
        id->wall_ms = wall_ms;
    }
    id->size =
        id->ms_size + tj__text_format_u64(id->text + id->ms_size, sequence);
    id->text[id->size] = '\0';
}
