/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the verbs that change a function share.  What devlink can say is asked of
 * devlink, by the function's port; the rest of family "opi".
 */
#ifndef OPITOOL_FUNCTION_H
#define OPITOOL_FUNCTION_H

#include "select.h"

/**
 * struct hint - what to do when the kernel refuses
 * @err:	with this -errno
 * @what:	for people; NULL ends a table
 */
struct hint {
	int err;
	const char *what;
};

/*
 * All return an exit code; what is not ST_OK has been said.
 */

/* Something that is done to one function; @sel are the words of the command. */
typedef int function_act(struct inventory *inv, const struct function *fn,
			 const struct select *sel);

/* Change what @sel has of KEYS_OPI and KEYS_DEVLINK. */
function_act function_change;
/* Let the host have it, or take it away. */
function_act function_expose;
function_act function_withdraw;
/* Remove a subfunction. */
function_act function_remove;

/*
 * A whole verb that does @act to the one function that is chosen; @settings are
 * the keys of which it needs one besides, 0: none.
 */
int function_run(const struct verb *verb, uint32_t settings, function_act *act,
		 const struct opts *opts, int argc, char **argv);

/*
 * Open @inv and find in it the one function that @sel chooses; another one in an
 * inventory that is open.
 */
int function_find(struct inventory *inv, const struct select *sel,
		  struct function **fn);
int function_choose(struct inventory *inv, const struct select *sel,
		    struct function **fn);

/* Say what could not be done of a device of @inv, why, and what helps. */
int function_refused(struct inventory *inv, const struct handle *dev, int err,
		     const struct hint *hints, const char *fmt, ...)
	PRINTF(5, 6);

/*
 * End a verb: with JSON, or if @show says so, print the function @id of @dev as
 * it is now; an empty array if @status is not ST_OK.  Closes @inv.
 */
int function_close(struct inventory *inv, const struct opts *opts, bool show,
		   const struct handle *dev, uint32_t id, int status);

#endif /* OPITOOL_FUNCTION_H */
