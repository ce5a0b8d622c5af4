/* Giving back the memory that only the start needed. */
#ifndef TJ_DAEMON_TRIM_H
#define TJ_DAEMON_TRIM_H

/* Drop the program's and the libraries' read-only pages from this process, and
 * what the heap does not need. Whatever is used again comes back from the page
 * cache, a minor fault each; what was used once, such as the reader of the
 * configuration and most of the dynamic linking, does not. */
void trim_memory(void);

#endif
