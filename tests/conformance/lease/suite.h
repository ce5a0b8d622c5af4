/* One suite for every backend of the lease. A program per backend says how to
 * make the backends of two nodes on the same rows. */
#ifndef TESTS_LEASE_SUITE_H
#define TESTS_LEASE_SUITE_H

#include <timedjobs/lease.h>

typedef struct lease_site {
    const char *name;
    /* Begin with no rows; returns what `node` is given. */
    void *(*open)(void);
    /* Make one node's backend. */
    tj_lease_backend *(*node)(void *site);
    /* End; all nodes are freed already. */
    void (*close)(void *site);
} lease_site;

/* Run the suite; returns the number of failed tests. */
int lease_suite_run(const lease_site *site);

#endif
