/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every file of opitool shares: exit codes, options, the table of verbs,
 * messages to the user, growing arrays.  Each verb has a file of its own.
 */
#ifndef OPITOOL_H
#define OPITOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PRINTF(f, a)	__attribute__((format(printf, f, a)))

/* Exit codes; opitool(1) documents them. */
enum {
	ST_OK		= 0,
	ST_FAILED	= 1,	/* refused, not found, cannot be read or written */
	ST_USAGE	= 2,
	ST_ABSENT	= 3,	/* the driver or a part of the kernel is not there */
};

struct opts {
	bool json;
	bool pretty;
};

/**
 * struct verb - one thing that opitool can do
 * @noun:	first word
 * @verb:	second word; NULL: none
 * @args:	what may follow, for people
 * @what:	one line
 * @help:	the rest of what "help" says
 * @run:	does it with the words that follow; returns an exit code
 */
struct verb {
	const char *noun;
	const char *verb;
	const char *args;
	const char *what;
	const char *help;
	int (*run)(const struct opts *opts, int argc, char **argv);
};

extern const struct verb verb_dpu_show;
extern const struct verb verb_dpu_set;
extern const struct verb verb_port_show;
extern const struct verb verb_function_show;
extern const struct verb verb_function_add;
extern const struct verb verb_function_set;
extern const struct verb verb_function_expose;
extern const struct verb verb_function_withdraw;
extern const struct verb verb_function_del;
extern const struct verb verb_function_migrate;
extern const struct verb verb_monitor;
extern const struct verb verb_help;
extern const struct verb verb_version;

/* All verbs in the order of "help"; ends with NULL. */
extern const struct verb *const verbs[];

/* opitool.c */
void say(const char *fmt, ...) PRINTF(1, 2);
_Noreturn void die(int status, const char *fmt, ...) PRINTF(2, 3);
int bad_usage(const struct verb *verb, const char *fmt, ...) PRINTF(2, 3);

/* Growing array of elements of one size. */
struct list {
	void *data;
	size_t n, room;
};

void *list_add(struct list *list, const void *elem, size_t size);
void list_free(struct list *list);

#define list_each(p, list)						\
	for ((p) = (list)->data;					\
	     (p) && (p) < (__typeof__(p))(list)->data + (list)->n; (p)++)

#endif /* OPITOOL_H */
