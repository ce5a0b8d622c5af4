/* libyaml's errors in words that help. */
#ifndef DAEMON_CONFIG_SYNTAX_H
#define DAEMON_CONFIG_SYNTAX_H

#include <stdint.h>
#include <yaml.h>

#include "daemon/config.h"

/* Report what made yaml_parser_parse fail on file number `file`. */
void config_syntax_report(struct config_report *report,
                          uint32_t file,
                          const yaml_parser_t *parser);

#endif
