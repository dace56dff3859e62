// SPDX-License-Identifier: GPL-2.0
/*
 * opitool dpu set
 *
 * A key is never among the words of a command, which everybody can read.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/opi.h>
#include <linux/opi_pci.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>
#include <unistd.h>

#include "select.h"

#define KEY_LEN	sizeof(((struct opi_mig_key *)0)->key)
/* In hexadecimal digits, with the end of the line and one byte too many. */
#define TEXT_MAX	(2 * KEY_LEN + 2)

static ssize_t read_all(int fd, unsigned char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size) {
		n = read(fd, buf + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += n;
	}
	return len;
}

static int digit(unsigned char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* As bytes, or as hexadecimal digits with or without the end of the line. */
static bool get_key(const unsigned char *text, size_t len, unsigned char *key)
{
	size_t i;

	if (len == KEY_LEN) {
		memcpy(key, text, KEY_LEN);
		return true;
	}
	if (len == 2 * KEY_LEN + 1 && text[len - 1] == '\n')
		len--;
	if (len != 2 * KEY_LEN)
		return false;
	for (i = 0; i < len; i++)
		if (!isxdigit(text[i]))
			return false;
	for (i = 0; i < KEY_LEN; i++)
		key[i] = digit(text[2 * i]) << 4 | digit(text[2 * i + 1]);
	return true;
}

static int read_key(const char *name, unsigned char *key)
{
	static const unsigned char none[KEY_LEN];
	unsigned char text[TEXT_MAX];
	bool in = !strcmp(name, "-");
	int status = ST_FAILED, fd;
	ssize_t len;

	memset(key, 0, KEY_LEN);
	if (!strcmp(name, "none"))
		return ST_OK;
	fd = in ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -errno : read_all(fd, text, sizeof(text));
	if (len < 0)
		say("cannot read the key from %s: %s",
		    in ? "standard input" : name, strerror(-len));
	else if (!get_key(text, len, key))
		say("a key has %zu bytes, or %zu hexadecimal digits: \"openssl rand -hex %zu\" makes one",
		    KEY_LEN, 2 * KEY_LEN, KEY_LEN);
	else if (!memcmp(key, none, KEY_LEN))
		say("zeros are no key; \"none\" brings back the card's own");
	else
		status = ST_OK;
	explicit_bzero(text, sizeof(text));
	if (fd >= 0 && !in)
		close(fd);
	return status;
}

static int set_key(struct inventory *inv, const struct dpu *dpu,
		   const unsigned char *key)
{
	struct nl_msg *msg = dpu_request(inv, OPI_NL_CMD_DPU_SET, dpu);
	int status, err;

	must_put(nla_put(msg, OPI_A_DPU_MIGRATION_KEY, KEY_LEN, key));
	/* The key is not left in what is freed. */
	nlmsg_get(msg);
	err = conn_request(inv->genl, msg, NULL, NULL);
	explicit_bzero(nlmsg_data(nlmsg_hdr(msg)), nlmsg_datalen(nlmsg_hdr(msg)));
	nlmsg_free(msg);
	if (!err)
		return ST_OK;
	status = request_failed(inv->genl, "cannot give the card its key", err);
	if (err == -EPERM || err == -EACCES)
		say("it needs CAP_NET_ADMIN: do it as root");
	return status;
}

/* The keys of a function mean nothing here, but a name may come before. */
static int parse(struct target *target, const char **file, int argc,
		 char **argv)
{
	const struct verb *verb = &verb_dpu_set;

	if (argc && strcmp(argv[0], "migration-key") &&
	    strcmp(argv[0], "migration_key")) {
		if (!target_parse(target, argv[0], false))
			return bad_usage(verb, "\"%s\" does not name a DPU",
					 argv[0]);
		argc--;
		argv++;
	}
	if (!argc)
		return bad_usage(verb, "what shall be changed of it?");
	if (strcmp(argv[0], "migration-key") &&
	    strcmp(argv[0], "migration_key"))
		return bad_usage(verb, "\"%s\" makes no sense here", argv[0]);
	if (argc < 2)
		return bad_usage(verb, "\"migration-key\" needs a value");
	if (argc > 2)
		return bad_usage(verb, "\"%s\" makes no sense here", argv[2]);
	*file = argv[1];
	return ST_OK;
}

static int run(const struct opts *opts, int argc, char **argv)
{
	struct target target = { 0 };
	unsigned char key[KEY_LEN];
	struct dpu *dpu = NULL;
	struct inventory inv;
	const char *file = NULL;
	struct out out;
	int status;

	status = parse(&target, &file, argc, argv);
	if (status)
		return status;

	status = inventory_open(&inv);
	if (!status)
		status = inventory_get_dpus(&inv);
	if (!status)
		status = dpu_choose(&inv, &target, &dpu);
	if (!status)
		status = read_key(file, key);
	if (!status)
		status = set_key(&inv, dpu, key);
	explicit_bzero(key, sizeof(key));

	if (opts->json) {
		out_init(&out, opts, false);
		out_array(&out);
		if (!status) {
			out_object(&out, NULL);
			show_dpu(&out, dpu);
			out_end(&out);
		}
		out_end(&out);
	}
	inventory_close(&inv);
	return status;
}

const struct verb verb_dpu_set = {
	.noun	= "dpu",
	.verb	= "set",
	.args	= "[DEV | SERIAL] migration-key FILE | - | none",
	.what	= "give a card its key",
	.help	=
"On the DPU: gives a card the key of the cards with which it exchanges virtual\n"
"functions.  A card takes the state of a function only from one with the same\n"
"key.  FILE, or with - standard input, has 32 bytes or 64 hexadecimal digits, as\n"
"\"openssl rand -hex 32\" makes them; \"none\" brings back the card's own, which no\n"
"other card has.  Nobody can read a key, and a card without power forgets it.\n"
"DEV or SERIAL is needed only if there are several cards.  With -j it prints the\n"
"DPU.\n",
	.run	= run,
};
