/* The form of a scenario (tests/conformance/README.md), checked before it is
 * played: after scenario_check a player may take every key for what it is. */
#ifndef TESTS_CONFORMANCE_SCENARIO_H
#define TESTS_CONFORMANCE_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

#include <timedjobs/timedjobs.h>

/* Read a file that holds a scenario or a vector. `*ret_document` is the
 * caller's to free, `*ret_scenario` is borrowed from it. On failure `reterr`
 * says where and why. */
bool scenario_read(const char *path,
                   tj_json **ret_document,
                   const tj_json **ret_scenario,
                   tj_error *reterr);

#endif
