// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * ARP and echo, see net.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net.h"

#define ARP_TRY_MS	500

struct arp_frame {
	struct ether_header	eth;
	struct ether_arp	arp;
} __attribute__((packed));

struct echo_frame {
	struct ether_header	eth;
	struct iphdr		ip;
	struct icmphdr		icmp;
	uint8_t			data[];
} __attribute__((packed));

#define ECHO_HDR	sizeof(struct echo_frame)

union frame {
	struct ether_header	eth;
	struct arp_frame	arp;
	struct echo_frame	echo;
	uint8_t			bytes[DEV_BUF];
};

static uint16_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	if (len & 1)
		sum += (uint32_t)p[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void arp_fill(struct net *n, struct arp_frame *f, uint16_t op,
		     const uint8_t *mac, struct in_addr ip)
{
	memcpy(f->eth.ether_dhost, mac, ETH_ALEN);
	memcpy(f->eth.ether_shost, n->d->port.mac, ETH_ALEN);
	f->eth.ether_type = htons(ETHERTYPE_ARP);
	f->arp.arp_hrd = htons(ARPHRD_ETHER);
	f->arp.arp_pro = htons(ETHERTYPE_IP);
	f->arp.arp_hln = ETH_ALEN;
	f->arp.arp_pln = sizeof(ip);
	f->arp.arp_op = htons(op);
	memcpy(f->arp.arp_sha, n->d->port.mac, ETH_ALEN);
	memcpy(f->arp.arp_spa, &n->ip, sizeof(n->ip));
	memcpy(f->arp.arp_tha, mac, ETH_ALEN);
	memcpy(f->arp.arp_tpa, &ip, sizeof(ip));
}

static int arp_handle(struct net *n, union frame *f, int len, int ms)
{
	struct in_addr from;
	uint8_t mac[ETH_ALEN];

	if (len < (int)sizeof(f->arp) || f->arp.arp.arp_op != htons(ARPOP_REQUEST) ||
	    memcmp(f->arp.arp.arp_tpa, &n->ip, sizeof(n->ip)))
		return 0;
	memcpy(mac, f->arp.arp.arp_sha, sizeof(mac));
	memcpy(&from, f->arp.arp.arp_spa, sizeof(from));
	arp_fill(n, &f->arp, ARPOP_REPLY, mac, from);
	n->arps++;
	return qp_send(n->d, f, sizeof(f->arp), ms);
}

/* Bytes of an echo's data, -1 if it is none for us. */
static int echo_len(struct net *n, const union frame *f, int len, uint8_t type)
{
	int total;

	if (len < (int)ECHO_HDR || f->eth.ether_type != htons(ETHERTYPE_IP) ||
	    f->echo.ip.version != 4 || f->echo.ip.ihl != 5 ||
	    f->echo.ip.protocol != IPPROTO_ICMP ||
	    f->echo.ip.daddr != n->ip.s_addr || f->echo.icmp.type != type)
		return -1;
	total = ntohs(f->echo.ip.tot_len);
	if (total < (int)(sizeof(f->echo.ip) + sizeof(f->echo.icmp)) ||
	    total + (int)sizeof(f->eth) > len ||
	    checksum(&f->echo.icmp, (size_t)total - sizeof(f->echo.ip)))
		return -1;
	return total - (int)(sizeof(f->echo.ip) + sizeof(f->echo.icmp));
}

static int echo_send(struct net *n, union frame *f, const uint8_t *mac,
		     struct in_addr to, uint8_t type, size_t size, int ms)
{
	memcpy(f->eth.ether_dhost, mac, ETH_ALEN);
	memcpy(f->eth.ether_shost, n->d->port.mac, ETH_ALEN);
	f->eth.ether_type = htons(ETHERTYPE_IP);
	f->echo.ip = (struct iphdr){
		.version  = 4,
		.ihl	  = 5,
		.tot_len  = htons((uint16_t)(sizeof(f->echo.ip) +
					     sizeof(f->echo.icmp) + size)),
		.ttl	  = 64,
		.protocol = IPPROTO_ICMP,
		.saddr	  = n->ip.s_addr,
		.daddr	  = to.s_addr,
	};
	f->echo.ip.check = checksum(&f->echo.ip, sizeof(f->echo.ip));
	f->echo.icmp.type = type;
	f->echo.icmp.checksum = 0;
	f->echo.icmp.checksum = checksum(&f->echo.icmp,
					 sizeof(f->echo.icmp) + size);
	return qp_send(n->d, f, ECHO_HDR + size, ms);
}

/* Whatever comes to us unasked. */
static int handle(struct net *n, union frame *f, int len, int ms)
{
	uint8_t mac[ETH_ALEN];
	int size;

	if (len >= (int)sizeof(f->eth) && f->eth.ether_type == htons(ETHERTYPE_ARP))
		return arp_handle(n, f, len, ms);
	size = echo_len(n, f, len, ICMP_ECHO);
	if (size < 0)
		return 0;
	memcpy(mac, f->eth.ether_shost, sizeof(mac));
	n->echoes++;
	return echo_send(n, f, mac, (struct in_addr){ f->echo.ip.saddr },
			 ICMP_ECHOREPLY, (size_t)size, ms);
}

/**
 * net_answer - answer a frame, if one comes
 * @n:		our end
 * @ms:		how long to wait
 *
 * Return: 0, or what qp_recv() and qp_send() return.
 */
int net_answer(struct net *n, int ms)
{
	union frame f;
	int len;

	len = qp_recv(n->d, &f, sizeof(f), ms);
	return len <= 0 ? len : handle(n, &f, len, ms);
}

/* Who has an address?  1 if somebody said so. */
static int resolve(struct net *n, struct in_addr peer, uint8_t *mac, int ms)
{
	static const uint8_t all[ETH_ALEN] = { 255, 255, 255, 255, 255, 255 };
	int64_t end = dev_now() + ms, again = 0;
	union frame f;
	int len, err;

	while (dev_now() < end) {
		if (dev_now() >= again) {
			memset(&f, 0, sizeof(f));
			arp_fill(n, &f.arp, ARPOP_REQUEST, all, peer);
			memset(f.arp.arp.arp_tha, 0, ETH_ALEN);
			err = qp_send(n->d, &f, sizeof(f.arp), ms);
			if (err)
				return err;
			again = dev_now() + ARP_TRY_MS;
		}
		len = qp_recv(n->d, &f, sizeof(f), ARP_TRY_MS);
		if (len < 0)
			return len;
		if (len >= (int)sizeof(f.arp) &&
		    f.eth.ether_type == htons(ETHERTYPE_ARP) &&
		    f.arp.arp.arp_op == htons(ARPOP_REPLY) &&
		    !memcmp(f.arp.arp.arp_spa, &peer, sizeof(peer))) {
			memcpy(mac, f.arp.arp.arp_sha, ETH_ALEN);
			return 1;
		}
		err = handle(n, &f, len, ms);
		if (err)
			return err;
	}
	return 0;
}

static uint8_t pattern(unsigned int seq, size_t at)
{
	return (uint8_t)(seq * 31 + at * 7 + (at >> 8));
}

static bool right_data(const uint8_t *data, unsigned int seq, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (data[i] == pattern(seq, i))
			continue;
		fprintf(stderr, "answer %u: byte %zu is %#x, expected %#x\n", seq,
			i, data[i], pattern(seq, i));
		return false;
	}
	return true;
}

/* Wait for the answer to an echo request.  1: it came, and is right. */
static int await_reply(struct net *n, unsigned int seq, size_t size, int ms)
{
	int64_t end = dev_now() + ms;
	union frame f;
	int len, err;

	while (dev_now() < end) {
		len = qp_recv(n->d, &f, sizeof(f), (int)(end - dev_now()));
		if (len < 0)
			return len;
		if (echo_len(n, &f, len, ICMP_ECHOREPLY) == (int)size &&
		    f.echo.icmp.un.echo.id == htons((uint16_t)getpid()) &&
		    f.echo.icmp.un.echo.sequence == htons((uint16_t)seq))
			return right_data(f.echo.data, seq, size);
		err = handle(n, &f, len, ms);
		if (err)
			return err;
	}
	return 0;
}

/**
 * net_ping - send echo requests, and compare each byte of the answers
 * @n:		our end
 * @peer:	to whom
 * @count:	how many, one after the other
 * @size:	bytes of data, at most NET_MAX_ECHO
 * @ms:		how long to wait for each
 * @right:	gets how many right answers there were
 *
 * Return: 0, -EHOSTUNREACH if nobody has the address, or what qp_send() returns.
 */
int net_ping(struct net *n, struct in_addr peer, unsigned int count, size_t size,
	     int ms, unsigned int *right)
{
	uint8_t mac[ETH_ALEN];
	unsigned int seq;
	union frame f;
	size_t i;
	int ret;

	*right = 0;
	if (size > NET_MAX_ECHO)
		return -E2BIG;
	ret = resolve(n, peer, mac, ms);
	if (ret <= 0)
		return ret ? ret : -EHOSTUNREACH;
	for (seq = 0; seq < count; seq++) {
		for (i = 0; i < size; i++)
			f.echo.data[i] = pattern(seq, i);
		f.echo.icmp.code = 0;
		f.echo.icmp.un.echo.id = htons((uint16_t)getpid());
		f.echo.icmp.un.echo.sequence = htons((uint16_t)seq);
		ret = echo_send(n, &f, mac, peer, ICMP_ECHO, size, ms);
		if (!ret)
			ret = await_reply(n, seq, size, ms);
		if (ret < 0)
			return ret;
		*right += (unsigned int)ret;
	}
	return 0;
}
