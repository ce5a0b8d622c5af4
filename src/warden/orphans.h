/* What a lost warden leaves behind. */
#ifndef TJ_WARDEN_ORPHANS_H
#define TJ_WARDEN_ORPHANS_H

#include <stdbool.h>
#include <stddef.h>

/* True when a run of this id was the lost warden's. */
typedef bool (*tj_orphan_match)(const char *run_id, void *userdata);

/* Kill, once, every process on this machine that carries the id of a run that
 * `match` knows, and, with `children`, every child of this process (reaping
 * those that are dead). Returns how many were found alive: to be called again
 * a little later until that is 0. */
size_t tj__orphans_kill(bool children, tj_orphan_match match, void *userdata);

/* Kill every process on this machine whose environment names `controller_id`
 * as the daemon that it works for, and wait, at most a moment, until they are
 * dead. Returns how many were killed. Blocks for some milliseconds. */
size_t tj__orphans_kill_of(const char *controller_id);

#endif
