/* libtimedjobs: timed jobs on exactly one machine of a fleet. Everything. */
#ifndef TIMEDJOBS_TIMEDJOBS_H
#define TIMEDJOBS_TIMEDJOBS_H

#include <timedjobs/clock.h>
#include <timedjobs/engine.h>
#include <timedjobs/error.h>
#include <timedjobs/gate.h>
#include <timedjobs/json.h>
#include <timedjobs/lease.h>
#include <timedjobs/log.h>
#include <timedjobs/loop.h>
#include <timedjobs/runner.h>
#include <timedjobs/version.h>

#endif
