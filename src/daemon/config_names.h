/* Which names were seen, and where first: a hash set, so that a file with a
 * hundred thousand jobs is read in linear time. */
#ifndef DAEMON_CONFIG_NAMES_H
#define DAEMON_CONFIG_NAMES_H

#include <stddef.h>

#include "daemon/config.h"

struct config_name {
    const char *text; /* NULL: a free slot */
    struct config_mark mark;
};

/* Zero-initialised is empty. */
struct config_names {
    struct config_name *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

/* Add a name, which is borrowed. Returns 0, TJ_EEXIST (`*ret_first` is where
 * it stands already) or TJ_ENOMEM. */
int config_names_add(struct config_names *names,
                     const char *text,
                     struct config_mark mark,
                     struct config_mark *ret_first);

void config_names_done(struct config_names *names);

#endif
