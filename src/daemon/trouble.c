/* The log writer's complaints, brought to the loop's thread.
 *
 * The writer calls from its own thread and must not wait, the narrator and
 * the control server live on the loop: one letter box between them, which
 * keeps the latest news only. */
#include "daemon/supervisor.h"

#include <stddef.h>
#include <string.h>

static struct daemon *trouble_owner(tj_task *task)
{
    char *member = (char *)task;

    return (struct daemon *)(void *)(member -
                                     offsetof(struct daemon, trouble.task));
}

static void trouble_deliver(tj_task *task)
{
    struct daemon *daemon = trouble_owner(task);
    struct daemon_trouble *trouble = &daemon->trouble;
    tj_json *details = tj_json_new_object();
    tj_error error;
    uint64_t n_dropped;
    bool over;

    pthread_mutex_lock(&trouble->lock);
    trouble->posted = false;
    over = trouble->over;
    error = trouble->error;
    n_dropped = trouble->n_dropped;
    pthread_mutex_unlock(&trouble->lock);

    tj_json_set_int(details, "dropped_count", (int64_t)n_dropped);
    if (over)
        narrator_say(&daemon->narrator, NARRATOR_WARNING, "log_recovered",
                     details,
                     "the log can be written again; %llu lines were dropped",
                     (unsigned long long)n_dropped);
    else
        narrator_say(&daemon->narrator, NARRATOR_ERROR, "log_trouble", details,
                     "the log cannot be written (ticks go on): %s; %llu lines "
                     "dropped so far",
                     error.message, (unsigned long long)n_dropped);
}

void trouble_init(struct daemon *daemon)
{
    pthread_mutex_init(&daemon->trouble.lock, NULL);
    daemon->trouble.task.run = trouble_deliver;
}

void trouble_done(struct daemon *daemon)
{
    pthread_mutex_destroy(&daemon->trouble.lock);
}

void trouble_tell(const tj_error *error, uint64_t n_dropped, void *userdata)
{
    struct daemon *daemon = userdata;
    struct daemon_trouble *trouble = &daemon->trouble;

    pthread_mutex_lock(&trouble->lock);
    trouble->over = !error;
    if (error)
        trouble->error = *error;
    trouble->n_dropped = n_dropped;
    /* Without a loop (before the start, after the end) nobody listens. */
    if (!trouble->posted && daemon->loop) {
        trouble->posted = true;
        daemon->loop->ops->post(daemon->loop, &trouble->task);
    }
    pthread_mutex_unlock(&trouble->lock);
}
