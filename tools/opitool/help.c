// SPDX-License-Identifier: GPL-2.0
/*
 * opitool help
 */
#include <stdio.h>
#include <string.h>

#include "opitool.h"

static void synopsis(const struct verb *verb, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s%s%s", verb->noun, verb->verb ? " " : "",
		 verb->verb ? verb->verb : "", verb->args ? " " : "",
		 verb->args ? verb->args : "");
}

static void help_all(void)
{
	const struct verb *const *v;
	char buf[64];

	printf("usage: opitool [-j] [-p] VERB\n\n");
	for (v = verbs; *v; v++) {
		synopsis(*v, buf, sizeof(buf));
		printf("  %-36s %s\n", buf, (*v)->what);
	}
	printf("\n"
	       "  -j, --json     JSON instead of text\n"
	       "  -p, --pretty   JSON, indented\n"
	       "  -V, --version  the same as version\n"
	       "  -h, --help     the same as help\n"
	       "\n"
	       "\"opitool help VERB\" says more, opitool(1) everything.\n");
}

static void help_verb(const struct verb *verb)
{
	char buf[64];

	synopsis(verb, buf, sizeof(buf));
	printf("usage: opitool [-j] [-p] %s\n\n%s", buf, verb->help);
}

static int run(const struct opts *opts, int argc, char **argv)
{
	const struct verb *const *v;
	int n = 0;

	(void)opts;
	if (!argc) {
		help_all();
		return ST_OK;
	}
	for (v = verbs; *v && argc <= 2; v++) {
		if (strcmp((*v)->noun, argv[0]) ||
		    (argc == 2 && (!(*v)->verb || strcmp((*v)->verb, argv[1]))))
			continue;
		if (n++)
			printf("\n");
		help_verb(*v);
	}
	if (n)
		return ST_OK;
	return bad_usage(&verb_help, "there is no help about \"%s%s%s\"",
			 argv[0], argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
}

const struct verb verb_help = {
	.noun	= "help",
	.args	= "[VERB]",
	.what	= "say what opitool can do",
	.help	=
"Lists the verbs, or says how to use one of them.\n",
	.run	= run,
};
