/* From what the file says to what holds: shares, paths, the host. */
#ifndef DAEMON_CONFIG_COMPLETE_H
#define DAEMON_CONFIG_COMPLETE_H

#include "daemon/config_bind.h"

/* Find the directory of the main file; before anything is bound. What fails
 * is reported and gets a stand-in, so that the rest can be checked too.
 * Both return 0 or TJ_ENOMEM. */
int config_complete_directory(struct config_binding *binding);

/* The state directory, the host, and everything outside of `jobs`, once the
 * main file's keys are bound. `state` of the config is what the file says, or
 * NULL. */
int config_complete(struct config_binding *binding);

#endif
