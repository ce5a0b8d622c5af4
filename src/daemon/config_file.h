/* From a path to text that YAML can be read from. */
#ifndef DAEMON_CONFIG_FILE_H
#define DAEMON_CONFIG_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/config.h"

/* Read file number `file`, which config_report_add_file made, into the report.
 * `only_regular`: refuse pipes and devices too.
 * Returns 0, TJ_EINVAL (reported) or TJ_ENOMEM. */
int config_file_read(struct config_report *report,
                     uint32_t file,
                     const char *path,
                     bool only_regular);

/* Check that a file's text is UTF-8 without anything that has no place in a
 * configuration; take a byte order mark off. Afterwards lines and columns are
 * counted by libyaml as by everybody else. Returns 0 or TJ_EINVAL
 * (reported). */
int config_file_check_text(struct config_report *report, uint32_t file);

#endif
