/* Rows in this process's memory: the backend that the others are measured by.
 * Any number of nodes share one tj_lease_memory; its lock is held for a few
 * instructions at a time. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

#include <timedjobs/lease.h>

typedef struct row {
    struct row *next;
    char name[TJ_LEASE_NAME_SIZE];
    tj_lease_record record;
} row;

typedef struct memory_backend {
    tj_lease_backend backend; /* first */
    tj_lease_memory *memory;
    struct memory_backend *next;
    int fd; /* eventfd: a row was released, or paused */
} memory_backend;

struct tj_lease_memory {
    pthread_mutex_t lock;
    size_t n_users; /* the creator and the backends */
    row *rows;
    memory_backend *backends;
};

int tj_lease_memory_new(tj_lease_memory **ret_memory)
{
    tj_lease_memory *memory = tj__calloc(1, sizeof(*memory));

    if (!memory)
        return TJ_ENOMEM;
    pthread_mutex_init(&memory->lock, NULL);
    memory->n_users = 1;
    *ret_memory = memory;
    return 0;
}

static void memory_leave(tj_lease_memory *memory)
{
    bool last;

    pthread_mutex_lock(&memory->lock);
    last = --memory->n_users == 0;
    pthread_mutex_unlock(&memory->lock);
    if (!last)
        return;
    while (memory->rows) {
        row *gone = memory->rows;

        memory->rows = gone->next;
        tj__free(gone);
    }
    pthread_mutex_destroy(&memory->lock);
    tj__free(memory);
}

void tj_lease_memory_free(tj_lease_memory *memory)
{
    if (memory)
        memory_leave(memory);
}

/* ---- rows; all with the lock held ---- */

static row *row_find(tj_lease_memory *memory, const char *name)
{
    row *at;

    for (at = memory->rows; at; at = at->next) {
        if (!strcmp(at->name, name))
            return at;
    }
    return NULL;
}

static row *row_make(tj_lease_memory *memory, const char *name)
{
    row *made = tj__calloc(1, sizeof(*made));

    if (!made)
        return NULL;
    (void)snprintf(made->name, sizeof(made->name), "%s", name);
    made->record.exists = true;
    made->record.released = true;
    made->next = memory->rows;
    memory->rows = made;
    return made;
}

static row *row_held(tj_lease_memory *memory,
                     const char *name,
                     int64_t term,
                     const char *me)
{
    row *it = row_find(memory, name);

    if (!it || it->record.released || it->record.term != term ||
        strcmp(it->record.holder, me) != 0)
        return NULL;
    return it;
}

static void tell_all(tj_lease_memory *memory)
{
    const uint64_t one = 1;
    memory_backend *at;

    for (at = memory->backends; at; at = at->next) {
        /* A counter that is full is readable as well. */
        ssize_t wrote = write(at->fd, &one, sizeof(one));

        (void)wrote;
    }
}

static tj_lease_memory *enter(tj_lease_backend *backend)
{
    tj_lease_memory *memory = ((memory_backend *)(void *)backend)->memory;

    pthread_mutex_lock(&memory->lock);
    return memory;
}

static void leave(tj_lease_memory *memory)
{
    pthread_mutex_unlock(&memory->lock);
}

/* ---- the table ---- */

static int memory_read(tj_lease_backend *backend,
                       const char *name,
                       int64_t deadline_ns,
                       tj_lease_record *ret_record,
                       tj_error *reterr)
{
    tj_lease_memory *memory = enter(backend);
    const row *it = row_find(memory, name);

    if (it)
        *ret_record = it->record;
    else
        memset(ret_record, 0, sizeof(*ret_record));
    leave(memory);
    return 0;
}

static int no_memory(tj_error *reterr)
{
    return tj__error_set(reterr, TJ_ENOMEM, "lease", "memory: out of memory");
}

static int memory_acquire(tj_lease_backend *backend,
                          const char *name,
                          const tj_lease_record *seen,
                          const tj_lease_record *claim,
                          int64_t deadline_ns,
                          tj_lease_outcome *ret_outcome,
                          tj_error *reterr)
{
    tj_lease_memory *memory = enter(backend);
    row *it = row_find(memory, name);
    bool expected = it ? seen->exists && it->record.term == seen->term &&
                             it->record.seq == seen->seq
                       : !seen->exists;

    if (expected && !it) {
        it = row_make(memory, name);
        if (!it) {
            leave(memory);
            return no_memory(reterr);
        }
    }
    if (expected) {
        tj_lease_record before = it->record;

        it->record = *claim;
        it->record.exists = true;
        it->record.released = false;
        it->record.term = before.term + 1;
        it->record.seq = before.seq + 1;
        it->record.pause = before.pause;
    }
    leave(memory);
    *ret_outcome = expected ? TJ_LEASE_DONE : TJ_LEASE_CHANGED;
    return 0;
}

static int memory_renew(tj_lease_backend *backend,
                        const char *name,
                        int64_t term,
                        const char *holder,
                        int64_t deadline_ns,
                        tj_lease_outcome *ret_outcome,
                        tj_lease_pause *ret_pause,
                        tj_error *reterr)
{
    tj_lease_memory *memory = enter(backend);
    row *it = row_held(memory, name, term, holder);

    if (it) {
        it->record.seq++;
        *ret_pause = it->record.pause;
    }
    leave(memory);
    *ret_outcome = it ? TJ_LEASE_DONE : TJ_LEASE_CHANGED;
    return 0;
}

static int memory_release(tj_lease_backend *backend,
                          const char *name,
                          int64_t term,
                          const char *holder,
                          int64_t deadline_ns,
                          tj_lease_outcome *ret_outcome,
                          tj_error *reterr)
{
    tj_lease_memory *memory = enter(backend);
    row *it = row_held(memory, name, term, holder);

    if (it) {
        it->record.seq++;
        it->record.released = true;
        tell_all(memory);
    }
    leave(memory);
    *ret_outcome = it ? TJ_LEASE_DONE : TJ_LEASE_CHANGED;
    return 0;
}

static int memory_repair(tj_lease_backend *backend,
                         const char *name,
                         int64_t term,
                         const char *holder,
                         int64_t new_term,
                         int64_t deadline_ns,
                         tj_lease_outcome *ret_outcome,
                         tj_error *reterr)
{
    tj_lease_memory *memory = enter(backend);
    row *it = row_held(memory, name, term, holder);

    if (it) {
        it->record.seq++;
        it->record.term = new_term;
    }
    leave(memory);
    *ret_outcome = it ? TJ_LEASE_DONE : TJ_LEASE_CHANGED;
    return 0;
}

static int memory_set_pause(tj_lease_backend *backend,
                            const char *name,
                            const tj_lease_pause *pause,
                            int64_t deadline_ns,
                            tj_error *reterr)
{
    tj_lease_memory *memory = enter(backend);
    row *it = row_find(memory, name);

    if (!it)
        it = row_make(memory, name);
    if (it) {
        it->record.pause = *pause;
        tell_all(memory);
    }
    leave(memory);
    return it ? 0 : no_memory(reterr);
}

static int memory_watch_fd(tj_lease_backend *backend)
{
    return ((memory_backend *)(void *)backend)->fd;
}

static void memory_watch_clear(tj_lease_backend *backend)
{
    uint64_t count;
    ssize_t got;

    do
        got = read(memory_watch_fd(backend), &count, sizeof(count));
    while (got < 0 && errno == EINTR);
}

static void memory_free(tj_lease_backend *backend)
{
    memory_backend *node = (memory_backend *)(void *)backend;
    tj_lease_memory *memory = enter(backend);
    memory_backend **at;

    for (at = &memory->backends; *at != node; at = &(*at)->next)
        ;
    *at = node->next;
    leave(memory);
    memory_leave(memory);
    close(node->fd);
    tj__free(node);
}

static const tj_lease_backend_ops memory_ops = {
    .size = sizeof(tj_lease_backend_ops),
    .name = "memory",
    .flags = TJ_LEASE_BACKEND_ONE_HOST,
    .read = memory_read,
    .acquire = memory_acquire,
    .renew = memory_renew,
    .release = memory_release,
    .repair = memory_repair,
    .set_pause = memory_set_pause,
    .watch_fd = memory_watch_fd,
    .watch_clear = memory_watch_clear,
    .free = memory_free,
};

int tj_lease_backend_memory_new(tj_lease_memory *memory,
                                tj_lease_backend **ret_backend,
                                tj_error *reterr)
{
    memory_backend *node = tj__calloc(1, sizeof(*node));

    if (!node)
        return no_memory(reterr);
    node->backend.ops = &memory_ops;
    node->memory = memory;
    node->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (node->fd < 0) {
        int error = errno;

        tj__free(node);
        return tj__error_set_errno(reterr, error, "lease",
                                   "memory: no descriptor to watch with");
    }
    enter(&node->backend);
    memory->n_users++;
    node->next = memory->backends;
    memory->backends = node;
    leave(memory);
    *ret_backend = &node->backend;
    return 0;
}
