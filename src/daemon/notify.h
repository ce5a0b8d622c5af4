/* Telling a service manager how we are (the sd_notify protocol). */
#ifndef TJ_DAEMON_NOTIFY_H
#define TJ_DAEMON_NOTIFY_H

#include <timedjobs/export.h>

/* Send "KEY=VALUE" lines to $NOTIFY_SOCKET. Without one, or when the manager
 * does not take it, nothing happens: being supervised is optional. Never
 * blocks. */
void notify_send(const char *format, ...) TJ_PRINTF(1, 2);

#endif
