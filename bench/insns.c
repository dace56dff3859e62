// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * QEMU plugin: how many instructions the guest has run, told when asked.
 *
 *	-plugin insns.so,socket=PATH
 *
 * Each connection to the socket sends one word and gets one line:
 *
 *	on	count from now on (nothing is counted before: translated code is
 *		what it is without a plugin, so speed can be measured in the same boot)
 *	read	"N", instructions so far; "off" if nothing is counted yet
 *	blocks	"ADDRESS N" for each translated block, then an empty line: N instructions
 *		were run in the block of code that starts at ADDRESS
 *
 * Counted is what a translated block holds, when the block is entered: iterations
 * of a string instruction count once, and a block left early counts in full.
 */

#include <glib.h>
#include <qemu-plugin.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

/* Code at the same address, however often it is translated. */
struct block {
	uint64_t addr;
	qemu_plugin_u64 insns;
};

static int listener;
static gint wanted, counting;

static GMutex lock;
static GHashTable *blocks;

static struct block *block_of(uint64_t addr)
{
	struct block *b;

	g_mutex_lock(&lock);
	b = g_hash_table_lookup(blocks, &addr);
	if (!b) {
		b = g_new0(struct block, 1);
		b->addr = addr;
		b->insns = qemu_plugin_scoreboard_u64(qemu_plugin_scoreboard_new(sizeof(uint64_t)));
		g_hash_table_insert(blocks, &b->addr, b);
	}
	g_mutex_unlock(&lock);
	return b;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct block *b = block_of(qemu_plugin_tb_vaddr(tb));

	qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, QEMU_PLUGIN_INLINE_ADD_U64,
							  b->insns, qemu_plugin_tb_n_insns(tb));
}

/* All code translated so far is forgotten, no vCPU runs. */
static void start_counting(qemu_plugin_id_t id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	g_atomic_int_set(&counting, 1);
}

/* A reset is only sound in a vCPU's thread, hence not where it is asked for. */
static void woken(qemu_plugin_id_t id, unsigned int vcpu)
{
	if (g_atomic_int_get(&wanted) && !g_atomic_int_get(&counting))
		qemu_plugin_reset(id, start_counting);
}

/* The sum of all blocks; each of them to OUT, if there is one. */
static uint64_t sum_blocks(FILE *out)
{
	GHashTableIter it;
	uint64_t sum = 0;
	gpointer value;

	g_mutex_lock(&lock);
	g_hash_table_iter_init(&it, blocks);
	while (g_hash_table_iter_next(&it, NULL, &value)) {
		struct block *b = value;
		uint64_t n = qemu_plugin_u64_sum(b->insns);

		sum += n;
		if (out && n)
			fprintf(out, "%016" PRIx64 " %" PRIu64 "\n", b->addr, n);
	}
	g_mutex_unlock(&lock);
	return sum;
}

static void answer(const char *word, FILE *out)
{
	if (!strcmp(word, "on")) {
		g_atomic_int_set(&wanted, 1);
		fputs("ok\n", out);
	} else if (!g_atomic_int_get(&counting)) {
		fputs("off\n", out);
	} else if (!strcmp(word, "read")) {
		fprintf(out, "%" PRIu64 "\n", sum_blocks(NULL));
	} else if (!strcmp(word, "blocks")) {
		sum_blocks(out);
		fputc('\n', out);
	} else {
		fputs("unknown\n", out);
	}
}

static gpointer serve(gpointer unused)
{
	struct timeval patience = { .tv_sec = 5 };

	for (;;) {
		int fd = accept(listener, NULL, NULL);
		char word[16] = "";
		FILE *out;

		if (fd < 0) {
			g_usleep(100000);
			continue;
		}
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		if (recv(fd, word, sizeof(word) - 1, 0) < 0)
			word[0] = '\0';
		word[strcspn(word, "\n")] = '\0';
		out = fdopen(fd, "w");
		if (out) {
			answer(word, out);
			fclose(out);
		} else {
			close(fd);
		}
	}
	return NULL;
}

static int listen_at(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(a.sun_path)) {
		fprintf(stderr, "insns: the socket's path is too long\n");
		return -1;
	}
	strcpy(a.sun_path, path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof(a)) ||
	    listen(listener, 4)) {
		perror(path);
		return -1;
	}
	return 0;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info,
					   int argc, char **argv)
{
	if (argc != 1 || !g_str_has_prefix(argv[0], "socket=")) {
		fprintf(stderr, "insns: socket=PATH wanted, and nothing else\n");
		return -1;
	}
	if (listen_at(argv[0] + strlen("socket=")))
		return -1;
	blocks = g_hash_table_new(g_int64_hash, g_int64_equal);
	qemu_plugin_register_vcpu_resume_cb(id, woken);
	g_thread_unref(g_thread_new("insns", serve, NULL));
	return 0;
}
