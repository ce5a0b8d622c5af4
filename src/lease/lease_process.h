/* Which process holds a lease, and whether it is gone. All of this counts only
 * between processes of one machine that see the same process ids. */
#ifndef TJ_LEASE_LEASE_PROCESS_H
#define TJ_LEASE_LEASE_PROCESS_H

#include <stdbool.h>

#include <timedjobs/lease.h>

/* Fill in pid, pid_start, boot_id and namespaces of this process; what cannot
 * be found out, or not be trusted, is left empty: then nobody concludes
 * anything from it. */
void tj__lease_process_describe(tj_lease_record *record);

/* Fill in a holder id of 128 random bits. Returns 0 or TJ_ESYSTEM. */
int tj__lease_process_holder(char holder[TJ_LEASE_HOLDER_SIZE],
                             tj_error *reterr);

/* True when the process of a record of this boot and these namespaces is
 * certainly gone; false in any doubt. */
bool tj__lease_process_is_gone(const tj_lease_record *record);

#endif
