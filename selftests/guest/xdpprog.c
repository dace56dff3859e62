// SPDX-License-Identifier: GPL-2.0
/*
 * Load one of a few XDP programs and pin it, for "ip link set IF xdpdrv pinned
 * PATH" (the guests have no compiler for BPF):
 *
 *	xdpprog pass|drop|tx|abort|unknown|shorten PATH
 *	xdpprog redirect PATH IF
 *
 * They do that with frames of the type that the program "frames" sends, and let
 * all others pass: "tx" exchanges the addresses, "shorten" cuts 16 bytes off the
 * front of the payload and passes the frame on.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TYPE	0x88b5

#define INSN(c, d, s, o, i) \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define LOAD(size, dst, src, off)	INSN(BPF_LDX | (size) | BPF_MEM, dst, src, off, 0)
#define STORE(size, dst, src, off)	INSN(BPF_STX | (size) | BPF_MEM, dst, src, off, 0)
#define MOV(dst, src)			INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define SET(dst, imm)			INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define ADD(dst, imm)			INSN(BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, imm)
#define CALL(id)			INSN(BPF_JMP | BPF_CALL, 0, 0, 0, id)
#define EXIT()				INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define JGT(dst, src, off)		INSN(BPF_JMP | BPF_JGT | BPF_X, dst, src, off, 0)
#define JNE(dst, imm, off)		INSN(BPF_JMP | BPF_JNE | BPF_K, dst, 0, off, imm)

static struct bpf_insn prog[64];
static unsigned int len;

static void emit(struct bpf_insn insn)
{
	prog[len++] = insn;
}

/* Jumps that leave the program with XDP_PASS are patched at the end. */
static unsigned int to_pass[4], n_to_pass;

static void emit_to_pass(struct bpf_insn insn)
{
	to_pass[n_to_pass++] = len;
	emit(insn);
}

static void result(int act)
{
	emit(SET(BPF_REG_0, act));
	emit(EXIT());
}

static void emit_tx(void)
{
	/* Destination and source, as 4 and 2 bytes each. */
	emit(LOAD(BPF_W, BPF_REG_0, BPF_REG_2, 0));
	emit(LOAD(BPF_H, BPF_REG_3, BPF_REG_2, 4));
	emit(LOAD(BPF_W, BPF_REG_4, BPF_REG_2, 6));
	emit(LOAD(BPF_H, BPF_REG_5, BPF_REG_2, 10));
	emit(STORE(BPF_W, BPF_REG_2, BPF_REG_4, 0));
	emit(STORE(BPF_H, BPF_REG_2, BPF_REG_5, 4));
	emit(STORE(BPF_W, BPF_REG_2, BPF_REG_0, 6));
	emit(STORE(BPF_H, BPF_REG_2, BPF_REG_3, 10));
	result(XDP_TX);
}

/* Cut 16 bytes off the front, and have an Ethernet header in front again. */
static void emit_shorten(void)
{
	emit(MOV(BPF_REG_6, BPF_REG_1));
	emit(SET(BPF_REG_2, 16));
	emit(CALL(BPF_FUNC_xdp_adjust_head));
	emit_to_pass(JNE(BPF_REG_0, 0, 0));
	emit(LOAD(BPF_W, BPF_REG_2, BPF_REG_6, 0));
	emit(LOAD(BPF_W, BPF_REG_3, BPF_REG_6, 4));
	emit(MOV(BPF_REG_4, BPF_REG_2));
	emit(ADD(BPF_REG_4, 14));
	emit_to_pass(JGT(BPF_REG_4, BPF_REG_3, 0));
	emit(SET(BPF_REG_5, -1));
	emit(STORE(BPF_W, BPF_REG_2, BPF_REG_5, 0));
	emit(STORE(BPF_H, BPF_REG_2, BPF_REG_5, 4));
	emit(SET(BPF_REG_5, 2));
	emit(STORE(BPF_W, BPF_REG_2, BPF_REG_5, 6));
	emit(STORE(BPF_H, BPF_REG_2, BPF_REG_5, 10));
	emit(SET(BPF_REG_5, htons(TYPE + 1)));
	emit(STORE(BPF_H, BPF_REG_2, BPF_REG_5, 12));
	result(XDP_PASS);
}

static int usage(void)
{
	fprintf(stderr, "usage: xdpprog pass|drop|tx|abort|unknown|shorten PATH | redirect PATH IF\n");
	return 2;
}

int main(int argc, char **argv)
{
	static char log[1 << 16];
	const char *kind = argc > 1 ? argv[1] : "";
	union bpf_attr attr = { 0 };
	unsigned int i;
	int fd;

	if (argc != (strcmp(kind, "redirect") ? 3 : 4))
		return usage();

	emit(LOAD(BPF_W, BPF_REG_2, BPF_REG_1, 0));
	emit(LOAD(BPF_W, BPF_REG_3, BPF_REG_1, 4));
	emit(MOV(BPF_REG_4, BPF_REG_2));
	emit(ADD(BPF_REG_4, 14));
	emit_to_pass(JGT(BPF_REG_4, BPF_REG_3, 0));
	emit(LOAD(BPF_H, BPF_REG_5, BPF_REG_2, 12));
	emit_to_pass(JNE(BPF_REG_5, htons(TYPE), 0));

	if (!strcmp(kind, "pass")) {
		result(XDP_PASS);
	} else if (!strcmp(kind, "drop")) {
		result(XDP_DROP);
	} else if (!strcmp(kind, "abort")) {
		result(XDP_ABORTED);
	} else if (!strcmp(kind, "unknown")) {
		result(77);
	} else if (!strcmp(kind, "tx")) {
		emit_tx();
	} else if (!strcmp(kind, "shorten")) {
		emit_shorten();
	} else if (!strcmp(kind, "redirect")) {
		unsigned int ifindex = if_nametoindex(argv[3]);

		if (!ifindex) {
			perror(argv[3]);
			return 1;
		}
		emit(SET(BPF_REG_1, ifindex));
		emit(SET(BPF_REG_2, 0));
		emit(CALL(BPF_FUNC_redirect));
		emit(EXIT());
	} else {
		return usage();
	}
	for (i = 0; i < n_to_pass; i++)
		prog[to_pass[i]].off = len - to_pass[i] - 1;
	result(XDP_PASS);

	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = (uintptr_t)prog;
	attr.insn_cnt = len;
	attr.license = (uintptr_t)"GPL";
	attr.log_buf = (uintptr_t)log;
	attr.log_size = sizeof(log);
	attr.log_level = 1;
	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (fd < 0) {
		fprintf(stderr, "xdpprog: load: %s\n%s", strerror(errno), log);
		return 1;
	}

	memset(&attr, 0, sizeof(attr));
	attr.pathname = (uintptr_t)argv[2];
	attr.bpf_fd = fd;
	if (syscall(SYS_bpf, BPF_OBJ_PIN, &attr, sizeof(attr))) {
		fprintf(stderr, "xdpprog: pin %s: %s\n", argv[2], strerror(errno));
		return 1;
	}
	return 0;
}
