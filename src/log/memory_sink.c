/* A log sink in memory, for tests; see timedjobs/testing.h.
 *
 * Batches are kept whole or, when memory runs out, not at all, and counted
 * either way. */
#include <pthread.h>
#include <string.h>

#include <timedjobs/log.h>
#include <timedjobs/testing.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/iso_time.h"

/* "T08:00:00.000Z", what follows the date in an ISO text */
#define TIME_OF_DAY_LENGTH 14

typedef struct memory_day {
    int64_t number; /* days since the epoch */
    char name[TJ_ISO_TIME_SIZE];
    tj_buf text;
} memory_day;

struct tj_memory_sink {
    tj_log_sink sink; /* first: the sink is the object */
    pthread_mutex_t mutex;
    memory_day *days; /* ascending by number */
    size_t n_days;
    uint64_t n_lines;
    uint64_t n_dropped;
};

static void day_init(memory_day *day, int64_t number, int64_t wall_ms)
{
    size_t length;

    *day = (memory_day){ .number = number };
    length = tj__iso_time_print(day->name, wall_ms);
    day->name[length - TIME_OF_DAY_LENGTH] = '\0';
}

/* Find the day of an instant, make it where there is none yet. */
static memory_day *day_get(tj_memory_sink *memory, int64_t wall_ms)
{
    int64_t number = tj__iso_day(wall_ms);
    size_t index = memory->n_days;
    memory_day *days;

    while (index > 0 && memory->days[index - 1].number > number)
        index--;
    if (index > 0 && memory->days[index - 1].number == number)
        return &memory->days[index - 1];

    days = tj__realloc(memory->days, (memory->n_days + 1) * sizeof(*days));
    if (!days)
        return NULL;
    memory->days = days;
    memmove(&days[index + 1], &days[index],
            (memory->n_days - index) * sizeof(*days));
    memory->n_days++;
    day_init(&days[index], number, wall_ms);
    return &days[index];
}

static void memory_append(tj_log_sink *sink,
                          int64_t wall_ms,
                          const char *lines,
                          size_t size,
                          size_t n_lines)
{
    tj_memory_sink *memory = (tj_memory_sink *)sink;
    memory_day *day;

    pthread_mutex_lock(&memory->mutex);
    memory->n_lines += n_lines;
    day = day_get(memory, wall_ms);
    if (day && tj__buf_reserve(&day->text, size)) {
        tj__buf_append(&day->text, lines, size);
    } else {
        memory->n_dropped += n_lines;
        if (day)
            day->text.failed = false; /* the next batch may fit again */
    }
    pthread_mutex_unlock(&memory->mutex);
}

static void memory_flush(tj_log_sink *sink, tj_log_flush_cb cb, void *userdata)
{
    (void)sink;
    cb(userdata);
}

static const tj_log_sink_ops memory_ops = {
    .size = sizeof(tj_log_sink_ops),
    .append = memory_append,
    .flush = memory_flush,
};

int tj_memory_sink_new(tj_memory_sink **ret_sink)
{
    tj_memory_sink *memory = tj__calloc(1, sizeof(*memory));

    if (!memory)
        return TJ_ENOMEM;
    memory->sink.ops = &memory_ops;
    pthread_mutex_init(&memory->mutex, NULL);
    *ret_sink = memory;
    return 0;
}

void tj_memory_sink_free(tj_memory_sink *sink)
{
    if (!sink)
        return;
    for (size_t i = 0; i < sink->n_days; i++)
        tj__buf_done(&sink->days[i].text);
    tj__free(sink->days);
    pthread_mutex_destroy(&sink->mutex);
    tj__free(sink);
}

tj_log_sink *tj_memory_sink_get(tj_memory_sink *sink)
{
    return &sink->sink;
}

size_t tj_memory_sink_n_days(const tj_memory_sink *sink)
{
    return sink->n_days;
}

const char *tj_memory_sink_day_name(const tj_memory_sink *sink, size_t index)
{
    return index < sink->n_days ? sink->days[index].name : NULL;
}

const char *tj_memory_sink_day_text(const tj_memory_sink *sink,
                                    size_t index,
                                    size_t *ret_size)
{
    const tj_buf *text;

    if (index >= sink->n_days)
        return NULL;
    text = &sink->days[index].text;
    if (ret_size)
        *ret_size = text->size;
    return text->data ? text->data : "";
}

uint64_t tj_memory_sink_n_lines(const tj_memory_sink *sink)
{
    return sink->n_lines;
}

uint64_t tj_memory_sink_n_dropped(const tj_memory_sink *sink)
{
    return sink->n_dropped;
}
