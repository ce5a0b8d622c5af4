/* Memory that runs out on demand, and a count of what was not given back.
 *
 * Every allocation of the library passes here between heap_install and
 * heap_remove. A test of what happens without memory fails one allocation
 * after the other until the operation goes through:
 *
 *     for (fails = 0;; fails++) {
 *         heap_fail_after(fails);
 *         rc = operation();
 *         if (!heap_failed())
 *             break;
 *         assert_int_equal(rc, TJ_ENOMEM);
 *         assert_int_equal(heap_live(), before);
 *     }
 *     heap_fail_never();
 *
 * Any thread may allocate meanwhile. */
#ifndef TESTS_SUPPORT_HEAP_H
#define TESTS_SUPPORT_HEAP_H

#include <stdbool.h>

void heap_install(void);
/* Back to the C library's allocator. The count of live blocks must be 0. */
void heap_remove(void);

/* Let `successes` more allocations succeed and all after them fail. */
void heap_fail_after(long successes);
/* Let `successes` more allocations succeed, one fail, all after it succeed. */
void heap_fail_once_after(long successes);
void heap_fail_never(void);
/* Has an allocation been failed since the last heap_fail_…after? */
bool heap_failed(void);

/* The number of blocks that are allocated now. */
long heap_live(void);

#endif
