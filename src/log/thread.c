/* Threads of the log: small, named, and deaf to signals, which are for the
 * program's own threads. */
#include <signal.h>

#include "log/day_log.h"

bool tj__log_thread_start(pthread_t *ret_thread,
                          const char *name,
                          size_t stack_size,
                          void *(*run)(void *log),
                          tj_day_log *log)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    bool made;

    if (pthread_attr_init(&attributes))
        return false;
    /* A default stack of 8 MiB may become resident by huge pages. Should the
     * size not suit the system, the default does. */
    (void)pthread_attr_setstacksize(&attributes, stack_size);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    made = !pthread_create(ret_thread, &attributes, run, log);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (made)
        (void)pthread_setname_np(*ret_thread, name);
    return made;
}
