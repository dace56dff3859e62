/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The transport of the link that both ends use: framing, order, file
 * descriptors, queueing, life signs.  The messages are in opi-link-proto.h,
 * what they mean to one end in opi-link-card.c and opi-soc.c.
 */
#ifndef HW_OPI_LINK_H
#define HW_OPI_LINK_H

#include "opi-link-proto.h"

/* Messages that wait for a peer who does not read; one more ends the link. */
#define OPI_LINK_QUEUE_MAX      256

typedef struct OpiLink OpiLink;
typedef struct OpiLinkMsg OpiLinkMsg;

typedef struct OpiLinkOps {
    /* The transport is there: say HELLO. */
    void (*opened)(void *opaque);
    /*
     * A message other than PING, PONG and BYE; @fds belong to the callee, who
     * sets to -1 those that it keeps.  NULL: fine; else why it is not.
     */
    const char *(*message)(void *opaque, uint16_t type, const void *data,
                           uint32_t len, int *fds, unsigned nfds);
    void (*closed)(void *opaque);
} OpiLinkOps;

struct OpiLink {
    const OpiLinkOps *ops;
    void *opaque;
    OpiChr *chr;
    int end;                            /* enum opi_link_end: which we are */
    bool open;
    bool closing;
    bool hello;                         /* the other end said it */
    uint32_t time_scale;                /* ours */
    uint32_t silence;                   /* ms, by both ends' time scales */

    struct opi_link_hdr hdr;
    uint8_t data[OPI_LINK_PAYLOAD_MAX];
    uint32_t have;                      /* bytes of hdr and data */
    int fds[OPI_LINK_FDS_MAX];
    unsigned nfds;
    uint32_t rx_seq;

    QSIMPLEQ_HEAD(, OpiLinkMsg) out;
    unsigned nout;
    guint watch;
    uint32_t tx_seq;

    QEMUTimer *timer;
    uint64_t nonce;                     /* of the ping under way, 0: none */
    int64_t ping_time;
    QEMUBH *bh;
};

void opi_link_init(OpiLink *l, int end, OpiChr *chr, const OpiLinkOps *ops,
                   void *opaque, uint32_t time_scale, DeviceState *dev);
void opi_link_finalize(OpiLink *l);
void opi_link_send(OpiLink *l, uint16_t type, const void *data, uint32_t len,
                   const int *fds, unsigned nfds);
/* From anywhere; the other end sees the connection end. */
void opi_link_close(OpiLink *l, const char *why);
/* Map a file of the other end's, if it cannot be made smaller under us. */
void *opi_link_map(int fd, uint64_t offset, uint64_t size);
bool opi_link_is_eventfd(int fd);
/* The other end's time scale, from its HELLO; false: out of range. */
bool opi_link_set_scale(OpiLink *l, uint32_t time_scale);

#endif
