// SPDX-License-Identifier: GPL-2.0
/*
 * opitool: the DPUs of this computer, their functions and ports, and what happens
 * to them.
 *
 * Options, choice of the verb, and messages to the user stand here.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "opitool.h"
#include "out.h"

const struct verb *const verbs[] = {
	&verb_dpu_show,
	&verb_dpu_set,
	&verb_port_show,
	&verb_function_show,
	&verb_function_add,
	&verb_function_set,
	&verb_function_expose,
	&verb_function_withdraw,
	&verb_function_del,
	&verb_function_migrate,
	&verb_monitor,
	&verb_help,
	&verb_version,
	NULL
};

static void vsay(const char *fmt, va_list ap)
{
	/* What was printed stands before what is wrong with it. */
	out_flush();
	fputs("opitool: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(fmt, ap);
	va_end(ap);
}

void die(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(fmt, ap);
	va_end(ap);
	exit(status);
}

/* Say what is wrong with the words of a command, and what would be right. */
int bad_usage(const struct verb *verb, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(fmt, ap);
	va_end(ap);

	if (verb)
		fprintf(stderr, "usage: opitool [-j] [-p] %s%s%s%s%s\n",
			verb->noun, verb->verb ? " " : "",
			verb->verb ? verb->verb : "",
			verb->args ? " " : "", verb->args ? verb->args : "");
	else
		fprintf(stderr, "\"opitool help\" tells what there is\n");
	return ST_USAGE;
}

void *list_add(struct list *list, const void *elem, size_t size)
{
	void *p;

	if (list->n == list->room) {
		size_t room = list->room ? 2 * list->room : 8;

		p = reallocarray(list->data, room, size);
		if (!p)
			die(ST_FAILED, "out of memory");
		list->data = p;
		list->room = room;
	}
	p = (char *)list->data + list->n++ * size;
	memcpy(p, elem, size);
	return p;
}

void list_free(struct list *list)
{
	free(list->data);
	memset(list, 0, sizeof(*list));
}

/* A verb is named by one word or two; "show" may be left out. */
static const struct verb *find_verb(int argc, char **argv, int *words)
{
	const struct verb *const *v;

	for (v = verbs; *v; v++) {
		if (strcmp((*v)->noun, argv[0]))
			continue;
		*words = 1;
		if (!(*v)->verb)
			return *v;
		if (argc < 2)
			return *v;
		*words = 2;
		if (!strcmp((*v)->verb, argv[1]))
			return *v;
	}
	return NULL;
}

static const struct option options[] = {
	{ "json",	no_argument, NULL, 'j' },
	{ "pretty",	no_argument, NULL, 'p' },
	{ "version",	no_argument, NULL, 'V' },
	{ "help",	no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static int run(int argc, char **argv)
{
	struct opts opts = { 0 };
	const struct verb *verb;
	int c, i, words = 0;

	/* "+": what follows the verb is the verb's. */
	while ((c = getopt_long(argc, argv, "+:jpVh", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			opts.json = true;
			break;
		case 'p':
			opts.json = true;
			opts.pretty = true;
			break;
		case 'V':
			return verb_version.run(&opts, 0, NULL);
		case 'h':
			return verb_help.run(&opts, 0, NULL);
		default:
			/* A long one is the last word that was read. */
			return !strncmp(argv[optind - 1], "--", 2) ?
				bad_usage(NULL, "there is no option %s",
					  argv[optind - 1]) :
				bad_usage(NULL, "there is no option -%c",
					  optopt);
		}
	}
	argc -= optind;
	argv += optind;
	if (!argc)
		return bad_usage(NULL, "what shall be done?");

	verb = find_verb(argc, argv, &words);
	if (!verb && words == 2)
		return bad_usage(NULL, "\"%s\" can not be \"%s\"", argv[0],
				 argv[1]);
	if (!verb)
		return bad_usage(NULL, "there is no \"%s\"", argv[0]);

	/* No name or value of a verb is like this; "-" alone may be one. */
	for (i = words; i < argc; i++)
		if (*argv[i] == '-' && argv[i][1])
			return bad_usage(verb, "\"%s\": options stand before the verb",
					 argv[i]);

	return verb->run(&opts, argc - words, argv + words);
}

int main(int argc, char **argv)
{
	int status, fd;

	/*
	 * A file that is opened later must not become one of these.  Nothing
	 * can be written to what takes their place: output to a closed
	 * descriptor stays an error.
	 */
	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0)
			return ST_FAILED;

	status = run(argc, argv);

	/* A full disk or a closed descriptor shows at the latest here. */
	out_flush();
	if (out_errno) {
		if (status == ST_OK)
			say("cannot write the output: %s", strerror(out_errno));
		status = status ? status : ST_FAILED;
	}
	return status;
}
