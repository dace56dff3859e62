// SPDX-License-Identifier: GPL-2.0
/*
 * Compiles if the grace period of a devlink health reporter stands in its
 * operations and is no argument of the function that makes it.
 */
#include <net/devlink.h>

struct devlink_health_reporter *probe(struct devlink *devlink);

struct devlink_health_reporter *probe(struct devlink *devlink)
{
	static const struct devlink_health_reporter_ops ops = {
		.name			= "probe",
		.default_graceful_period = 1,
	};

	return devl_health_reporter_create(devlink, &ops, NULL);
}
