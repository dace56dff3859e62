// SPDX-License-Identifier: GPL-2.0
/*
 * Root's login shell in the guests.  To people it is bash.  "testbed host CMD..."
 * sends "argv" and the words as netstrings ("argv 4:true,"), and gets exactly that
 * command: nothing is quoted or expanded on the way, and a signal that ended it is
 * told as 128 + signal, which ssh by itself does not.
 *
 * Static, and no shell in between: on an emulated processor that is most of what a
 * command costs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BASH	"/bin/bash"
#define MARK	"argv "

/* The words of @s, in place; NULL if it is not a list of at least one. */
static char **parse(char *s)
{
	size_t room = strlen(s) / 3 + 2;
	char **argv = calloc(room, sizeof(*argv)), *digits = s, *end = s + strlen(s);
	size_t n = 0;

	if (!argv)
		return NULL;
	while (*digits) {
		char *word;
		size_t len = strtoul(digits, &word, 10);

		if (*word != ':' || len >= (size_t)(end - word) || word[len + 1] != ',')
			return NULL;
		argv[n++] = word + 1;
		word[len + 1] = '\0';
		digits = word + len + 2;
	}
	return n ? argv : NULL;
}

static int run(char **argv)
{
	extern char **environ;
	int status, rc;
	pid_t pid;

	rc = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (rc) {
		fprintf(stderr, "%s: %s\n", argv[0],
			rc == ENOENT ? "command not found" : strerror(rc));
		return rc == ENOENT ? 127 : 126;
	}
	/* Not ours to hold open. */
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 126;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	setenv("SHELL", BASH, 1);
	if (argc == 3 && !strcmp(argv[1], "-c") && !strncmp(argv[2], MARK, strlen(MARK))) {
		char **words = parse(argv[2] + strlen(MARK));

		if (!words) {
			fprintf(stderr, "login: not a list of words\n");
			return 126;
		}
		return run(words);
	}
	/* A login shell is one whose name begins with "-". */
	argv[0] = argv[0][0] == '-' ? "-bash" : "bash";
	execv(BASH, argv);
	perror(BASH);
	return 127;
}
