/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the card's qtests share; see opi-util.h. */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/atomic.h"
#include "qobject/qdict.h"
#include <linux/pci_regs.h>
#include <poll.h>
#include <sys/un.h>
#include <sys/socket.h>
#include "opi-util.h"

/* Long enough for a busy machine; reached only by a failure. */
#define WAIT_MS 90000

static int64_t now_ms(void)
{
    return g_get_monotonic_time() / 1000;
}

/* ---- The test as the DPU's QEMU ---------------------------------------- */

int opi_memfd(size_t size, unsigned seals)
{
    int fd = memfd_create("opi-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    if (seals) {
        g_assert_cmpint(fcntl(fd, F_ADD_SEALS, seals), ==, 0);
    }
    return fd;
}

FakeSoc *fake_connect(const char *path)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    FakeSoc *f = g_new0(FakeSoc, 1);
    int64_t end = now_ms() + WAIT_MS;

    f->kick = f->irq = -1;
    f->answer_pings = true;
    g_strlcpy(sa.sun_path, path, sizeof(sa.sun_path));
    f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(f->fd, >=, 0);
    while (connect(f->fd, (struct sockaddr *)&sa, sizeof(sa))) {
        g_assert_cmpint(now_ms(), <, end);
        g_usleep(5000);
    }
    f->memfd = opi_memfd(OPI_TEST_RAM_SIZE, F_SEAL_SHRINK | F_SEAL_GROW);
    f->mem = mmap(NULL, OPI_TEST_RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                  f->memfd, 0);
    g_assert(f->mem != MAP_FAILED);
    return f;
}

/* The one that belongs to the bed, whichever side the test works on. */
static FakeSoc *bed_soc;

void fake_free(FakeSoc *f)
{
    if (!f) {
        return;
    }
    if (f == bed_soc) {
        bed_soc = NULL;
    }
    close(f->fd);
    close(f->memfd);
    munmap(f->mem, OPI_TEST_RAM_SIZE);
    if (f->ctrl) {
        munmap(f->ctrl, OPI_CTRL_SIZE);
    }
    if (f->kick >= 0) {
        close(f->kick);
        close(f->irq);
    }
    g_free(f);
}

void fake_raw(FakeSoc *f, const void *buf, size_t len, const int *fds,
              unsigned nfds)
{
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int) * 32)];
    } u = { 0 };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    g_assert_cmpint(nfds, <=, 32);
    if (nfds) {
        struct cmsghdr *c;

        msg.msg_control = u.buf;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
    }
    /* The other end may have closed: the test looks for that elsewhere. */
    if (sendmsg(f->fd, &msg, MSG_NOSIGNAL) < 0) {
        g_assert(errno == EPIPE || errno == ECONNRESET);
    }
}

void fake_send(FakeSoc *f, uint16_t type, const void *data, uint32_t len,
               const int *fds, unsigned nfds)
{
    struct opi_link_hdr h = {
        .magic = cpu_to_le32(OPI_LINK_MAGIC),
        .version = cpu_to_le16(OPI_LINK_VERSION),
        .type = cpu_to_le16(type),
        .len = cpu_to_le32(len),
        .seq = cpu_to_le32(f->tx_seq++),
    };
    g_autofree uint8_t *buf = g_malloc(sizeof(h) + len);

    memcpy(buf, &h, sizeof(h));
    if (len) {
        memcpy(buf + sizeof(h), data, len);
    }
    fake_raw(f, buf, sizeof(h) + len, fds, nfds);
}

void fake_hello(FakeSoc *f)
{
    struct opi_link_hello h = {
        .end = cpu_to_le32(OPI_LINK_SOC),
        .instance = 1,
        .iface_version = cpu_to_le32(OPI_IFACE_VERSION),
    };

    fake_send(f, OPI_LINK_HELLO, &h, sizeof(h), NULL, 0);
}

void fake_mem_table(FakeSoc *f)
{
    struct opi_link_mem_table t = {
        .id = cpu_to_le32(1),
        .count = cpu_to_le32(1),
        .region[0] = {
            .gpa = cpu_to_le64(OPI_TEST_RAM),
            .size = cpu_to_le64(OPI_TEST_RAM_SIZE),
        },
    };

    fake_send(f, OPI_LINK_MEM_TABLE, &t, sizeof(t), &f->memfd, 1);
}

void fake_state(FakeSoc *f, uint32_t state, uint32_t event)
{
    struct opi_link_soc_state s = {
        .state = cpu_to_le32(state),
        .event = cpu_to_le32(event),
    };

    if (event != OPI_LINK_EVENT_NONE) {
        qatomic_inc(&f->ctrl->soc_resets);
    }
    fake_send(f, OPI_LINK_SOC_STATE, &s, sizeof(s), NULL, 0);
}

static bool fake_read(FakeSoc *f, void *buf, size_t len, int *fds,
                      unsigned *nfds)
{
    size_t have = 0;

    while (have < len) {
        struct iovec iov = { .iov_base = buf + have, .iov_len = len - have };
        union {
            struct cmsghdr align;
            char buf[CMSG_SPACE(sizeof(int) * 8)];
        } u;
        struct msghdr msg = {
            .msg_iov = &iov, .msg_iovlen = 1,
            .msg_control = u.buf, .msg_controllen = sizeof(u.buf),
        };
        ssize_t n = recvmsg(f->fd, &msg, MSG_CMSG_CLOEXEC);
        struct cmsghdr *c;

        if (n <= 0) {
            f->closed = true;
            return false;
        }
        c = CMSG_FIRSTHDR(&msg);
        if (c && c->cmsg_type == SCM_RIGHTS && fds) {
            *nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(fds, CMSG_DATA(c), *nfds * sizeof(int));
        }
        have += n;
    }
    return true;
}

static void fake_one(FakeSoc *f)
{
    struct opi_link_hdr h;
    uint8_t data[OPI_LINK_PAYLOAD_MAX];
    int fds[8];
    unsigned nfds = 0;

    if (!fake_read(f, &h, sizeof(h), fds, &nfds)) {
        return;
    }
    g_assert_cmphex(le32_to_cpu(h.magic), ==, OPI_LINK_MAGIC);
    g_assert_cmpint(le32_to_cpu(h.seq), ==, f->rx_seq++);
    g_assert_cmpint(le32_to_cpu(h.len), <=, sizeof(data));
    if (!fake_read(f, data, le32_to_cpu(h.len), NULL, NULL) &&
        le32_to_cpu(h.len)) {
        return;
    }
    switch (le16_to_cpu(h.type)) {
    case OPI_LINK_HELLO:
        f->hello = true;
        f->serial = le64_to_cpu(((struct opi_link_hello *)data)->serial);
        break;
    case OPI_LINK_CTRL_PAGE:
        g_assert_cmpint(nfds, ==, 1);
        f->ctrl = mmap(NULL, OPI_CTRL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                       fds[0], 0);
        g_assert(f->ctrl != MAP_FAILED);
        close(fds[0]);
        break;
    case OPI_LINK_EVENTFDS:
        g_assert_cmpint(nfds, ==, 2);
        f->kick = fds[0];
        f->irq = fds[1];
        break;
    case OPI_LINK_MEM_ACK:
        f->mem_acks++;
        break;
    case OPI_LINK_CARD_STATE:
        f->up = le32_to_cpu(((struct opi_link_card_state *)data)->up);
        f->host = le32_to_cpu(((struct opi_link_card_state *)data)->host);
        f->generation =
            le32_to_cpu(((struct opi_link_card_state *)data)->generation);
        break;
    case OPI_LINK_PING:
        if (f->answer_pings) {
            fake_send(f, OPI_LINK_PONG, data, le32_to_cpu(h.len), NULL, 0);
        }
        break;
    case OPI_LINK_PONG:
        /* Of a ping that a test made, the fuzzer's among them. */
        break;
    case OPI_LINK_BYE:
        f->bye = true;
        break;
    default:
        g_assert_not_reached();
    }
}

void fake_pump(FakeSoc *f, int ms, const bool *until)
{
    int64_t end = now_ms() + ms;

    while (!f->closed && !(until && *until)) {
        struct pollfd p = { .fd = f->fd, .events = POLLIN };
        int64_t left = end - now_ms();

        if (poll(&p, 1, MAX(left, 0)) <= 0) {
            if (left <= 0) {
                return;
            }
            continue;
        }
        fake_one(f);
    }
}

static bool fake_have_eventfds(FakeSoc *f)
{
    return f->kick >= 0;
}

void fake_up(FakeSoc *f)
{
    int64_t end = now_ms() + WAIT_MS;

    fake_hello(f);
    while (!fake_have_eventfds(f)) {
        g_assert_cmpint(now_ms(), <, end);
        g_assert(!f->closed);
        fake_pump(f, 10, NULL);
    }
    qatomic_set(&f->ctrl->soc_flags, OPI_CTRL_SOC_MASTER);
    fake_mem_table(f);
    fake_state(f, OPI_LINK_SOC_RUNNING, OPI_LINK_EVENT_NONE);
    fake_pump(f, WAIT_MS, &f->up);
    g_assert(f->up);
}

/* ---- PCI --------------------------------------------------------------- */

#define ECAM 0xb0000000ULL

static uint64_t cfg_addr(unsigned bus, unsigned devfn, unsigned reg)
{
    return ECAM + (bus << 20) + (devfn << 12) + reg;
}

uint32_t cfg_readl(QTestState *qts, unsigned bus, unsigned devfn, unsigned reg)
{
    return qtest_readl(qts, cfg_addr(bus, devfn, reg));
}

uint16_t cfg_readw(QTestState *qts, unsigned bus, unsigned devfn, unsigned reg)
{
    return qtest_readw(qts, cfg_addr(bus, devfn, reg));
}

void cfg_writel(QTestState *qts, unsigned bus, unsigned devfn, unsigned reg,
                uint32_t val)
{
    qtest_writel(qts, cfg_addr(bus, devfn, reg), val);
}

void cfg_writew(QTestState *qts, unsigned bus, unsigned devfn, unsigned reg,
                uint16_t val)
{
    qtest_writew(qts, cfg_addr(bus, devfn, reg), val);
}

unsigned cfg_ext_cap(QTestState *qts, unsigned bus, unsigned devfn, uint16_t id)
{
    unsigned pos = 0x100, n;

    for (n = 0; pos && n < 64; n++) {
        uint32_t h = cfg_readl(qts, bus, devfn, pos);

        if (PCI_EXT_CAP_ID(h) == id) {
            return pos;
        }
        pos = PCI_EXT_CAP_NEXT(h);
    }
    return 0;
}

/*
 * What firmware would do: ECAM, the root port at 00:04.0, the BARs behind it.
 */
void opi_pci_setup(QTestState *qts)
{
    unsigned rp = 4 << 3, bar;
    static const uint64_t bars[] = {
        OPI_TEST_BAR0, OPI_TEST_BAR2, OPI_TEST_BAR4
    };

    qtest_outl(qts, 0xcf8, 0x80000064);
    qtest_outl(qts, 0xcfc, 0);
    qtest_outl(qts, 0xcf8, 0x80000060);
    qtest_outl(qts, 0xcfc, ECAM | 1);

    cfg_writel(qts, 0, rp, PCI_PRIMARY_BUS, 0x00010100);
    cfg_writel(qts, 0, rp, PCI_MEMORY_BASE, 0xcff0c000);
    cfg_writew(qts, 0, rp, PCI_COMMAND,
               PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    for (bar = 0; bar < ARRAY_SIZE(bars); bar++) {
        cfg_writel(qts, 1, 0, PCI_BASE_ADDRESS_0 + 8 * bar, bars[bar]);
        cfg_writel(qts, 1, 0, PCI_BASE_ADDRESS_0 + 8 * bar + 4, 0);
    }
    cfg_writew(qts, 1, 0, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* What the guest's ACPI does to switch itself off: PM1_CNT of ICH9. */
void guest_power_off(QTestState *q)
{
    cfg_writel(q, 0, 0x1f << 3, 0x40, 0x601);
    cfg_writel(q, 0, 0x1f << 3, 0x44, 0x80);
    qtest_outw(q, 0x604, 0x2000);
}

/* Registers of VT-d, and where the test has its tables: 2 MiB pages. */
#define VTD             0xfed90000ULL
#define VTD_GCMD        0x18
#define VTD_GSTS        0x1c
#define VTD_RTADDR      0x20
#define VTD_CCMD        0x28
#define VTD_IOTLB       0xf8
#define VTD_TABLES      0x00190000ULL
#define VTD_PAGE        0x00200000ULL

void iommu_map(QTestState *q, uint64_t iova, uint64_t to)
{
    qtest_writeq(q, VTD_TABLES + 0x3000 + iova / VTD_PAGE * 8,
                 to == UINT64_MAX ? 0 : to | 0x83);
}

void iommu_flush(QTestState *q)
{
    qtest_writeq(q, VTD + VTD_CCMD, 1ULL << 63 | 1ULL << 61);
    qtest_writeq(q, VTD + VTD_IOTLB, 1ULL << 63 | 1ULL << 60);
}

void iommu_enable(QTestState *q, bool on)
{
    unsigned fn;
    uint64_t a;

    if (on) {
        qtest_memset(q, VTD_TABLES, 0, 0x4000);
        /* Root: bus 1; context: PF and VFs, 39 bits; level 3, level 2. */
        qtest_writeq(q, VTD_TABLES + 16, (VTD_TABLES + 0x1000) | 1);
        for (fn = 0; fn <= OPI_TEST_VFS; fn++) {
            a = VTD_TABLES + 0x1000 + fn * 16;
            qtest_writeq(q, a, (VTD_TABLES + 0x2000) | 1);
            qtest_writeq(q, a + 8, 1 << 8 | 1);
        }
        qtest_writeq(q, VTD_TABLES + 0x2000, (VTD_TABLES + 0x3000) | 3);
        for (a = 0; a < 64 << 20; a += VTD_PAGE) {
            iommu_map(q, a, a);
        }
        qtest_writeq(q, VTD + VTD_RTADDR, VTD_TABLES);
        qtest_writel(q, VTD + VTD_GCMD, 1u << 30);
        iommu_flush(q);
    }
    qtest_writel(q, VTD + VTD_GCMD, on ? 1u << 31 : 0);
    g_assert_cmphex(qtest_readl(q, VTD + VTD_GSTS) >> 31, ==, on);
}

/* Interrupt messages go to RAM, where they can be seen. */
#define MSI_PAGE 0x00180000ULL

static void msix_setup(Side *s)
{
    unsigned v;

    for (v = 0; v < OPI_TEST_EQS; v++) {
        uint64_t e = s->bar4 + v * 16;

        qtest_writel(s->qts, e, s->msi + v * 4);
        qtest_writel(s->qts, e + 4, 0);
        qtest_writel(s->qts, e + 8, 0x1000 + v);
        qtest_writel(s->qts, e + 12, 0);
        qtest_writel(s->qts, s->msi + v * 4, 0);
    }
    cfg_writew(s->qts, 1, s->devfn, 0x70 + PCI_MSIX_FLAGS,
               PCI_MSIX_FLAGS_ENABLE);
}

/* ---- A side ------------------------------------------------------------ */

static void side_ram(Side *s, uint64_t ram, uint64_t size)
{
    s->ram = ram;
    s->ram_size = size;
    s->alloc = ram;
}

Side *side_pci(QTestState *qts, uint8_t role)
{
    Side *s = g_new0(Side, 1);

    s->qts = qts;
    s->role = role;
    s->bar0 = OPI_TEST_BAR0;
    s->bar2 = OPI_TEST_BAR2;
    s->bar4 = OPI_TEST_BAR4;
    s->msi = MSI_PAGE;
    side_ram(s, OPI_TEST_RAM, OPI_TEST_RAM_SIZE);
    opi_pci_setup(qts);
    msix_setup(s);
    return s;
}

Side *side_vf(QTestState *qts, unsigned n)
{
    unsigned pos = cfg_ext_cap(qts, 1, 0, PCI_EXT_CAP_ID_SRIOV);
    uint64_t doorbells = (OPI_TEST_VF_QPS + 1) * 4096, size;
    Side *s = g_new0(Side, 1);

    g_assert_cmpint(n, <, OPI_TEST_VFS);
    for (size = 4096; size < doorbells; size *= 2) {
        continue;
    }
    s->qts = qts;
    s->role = OPI_ROLE_HOST_VF;
    s->devfn = cfg_readw(qts, 1, 0, pos + PCI_SRIOV_VF_OFFSET) +
               n * cfg_readw(qts, 1, 0, pos + PCI_SRIOV_VF_STRIDE);
    s->bar0 = OPI_TEST_VFBAR0 + n * OPI_BAR_REGS_SIZE;
    s->bar2 = OPI_TEST_VFBAR2 + n * size;
    s->bar4 = OPI_TEST_VFBAR4 + n * 4096;
    s->msi = MSI_PAGE + (n + 1) * 4096;
    side_ram(s, OPI_TEST_VF_RAM(n), OPI_TEST_VF_RAM_SIZE);
    cfg_writew(qts, 1, s->devfn, PCI_COMMAND,
               PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    msix_setup(s);
    return s;
}

unsigned vf_enable(QTestState *qts, unsigned n)
{
    unsigned pos = cfg_ext_cap(qts, 1, 0, PCI_EXT_CAP_ID_SRIOV), bar;
    static const uint64_t bars[] = {
        OPI_TEST_VFBAR0, OPI_TEST_VFBAR2, OPI_TEST_VFBAR4
    };
    uint16_t ctrl = n ? PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE |
                        PCI_SRIOV_CTRL_ARI : 0;

    for (bar = 0; bar < ARRAY_SIZE(bars); bar++) {
        cfg_writel(qts, 1, 0, pos + PCI_SRIOV_BAR + 8 * bar, bars[bar]);
        cfg_writel(qts, 1, 0, pos + PCI_SRIOV_BAR + 8 * bar + 4, 0);
    }
    if (n) {
        cfg_writew(qts, 1, 0, pos + PCI_SRIOV_NUM_VF, n);
    }
    cfg_writew(qts, 1, 0, pos + PCI_SRIOV_CTRL, ctrl);
    return cfg_readw(qts, 1, 0, pos + PCI_SRIOV_CTRL) & PCI_SRIOV_CTRL_VFE ?
           cfg_readw(qts, 1, 0, pos + PCI_SRIOV_NUM_VF) : 0;
}

void pci_flr(QTestState *qts, unsigned devfn)
{
    unsigned ctl = 0xa0 + PCI_EXP_DEVCTL;

    cfg_writew(qts, 1, devfn, ctl,
               cfg_readw(qts, 1, devfn, ctl) | PCI_EXP_DEVCTL_BCR_FLR);
}

Side *side_fake(FakeSoc *f)
{
    Side *s = g_new0(Side, 1);

    s->soc = f;
    s->role = OPI_ROLE_DPU;
    side_ram(s, OPI_TEST_RAM, OPI_TEST_RAM_SIZE);
    return s;
}

void side_free(Side *s)
{
    g_free(s);
}

uint32_t reg_read(Side *s, uint32_t reg)
{
    if (s->soc) {
        fake_pump(s->soc, 0, NULL);
        return le32_to_cpu(qatomic_load_acquire(&s->soc->ctrl->regs[reg / 4]));
    }
    return qtest_readl(s->qts, s->bar0 + reg);
}

void reg_write(Side *s, uint32_t reg, uint32_t val)
{
    struct opi_link_reg_write w = {
        .offset = cpu_to_le32(reg),
        .value = cpu_to_le32(val),
    };

    if (s->soc) {
        fake_send(s->soc, OPI_LINK_REG_WRITE, &w, sizeof(w), NULL, 0);
    } else {
        qtest_writel(s->qts, s->bar0 + reg, val);
    }
}

/* Answer the card's pings, however much a test has to do. */
static void side_pump(Side *s)
{
    FakeSoc *f = s->soc ? s->soc : bed_soc;

    if (f) {
        fake_pump(f, 0, NULL);
    }
}

/* Between two looks: let the QEMUs work, and answer the card's pings. */
static void side_idle(Side *s, int64_t end)
{
    g_assert_cmpint(now_ms(), <, end);
    if (s->soc) {
        g_assert(!s->soc->closed);
        fake_pump(s->soc, 1, NULL);
    } else {
        side_pump(s);
        g_usleep(1000);
    }
}

void reg_wait(Side *s, uint32_t reg, uint32_t mask, uint32_t val)
{
    int64_t end = now_ms() + WAIT_MS;

    while ((reg_read(s, reg) & mask) != val) {
        side_idle(s, end);
    }
}

void doorbell(Side *s, unsigned page, unsigned off, uint32_t val)
{
    struct opi_ctrl *c;
    uint64_t one = 1;

    if (!s->soc) {
        qtest_writel(s->qts, s->bar2 + page * 4096 + off, val);
        return;
    }
    c = s->soc->ctrl;
    if (page == 0) {
        qatomic_set(&c->aq_tail, cpu_to_le32(val));
    }
    qatomic_or(&c->kick[page / 64], 1ULL << (page % 64));
    if (!qatomic_xchg(&c->kick_pending, 1)) {
        g_assert_cmpint(write(s->soc->kick, &one, sizeof(one)), ==,
                        sizeof(one));
    }
}

void mem_read(Side *s, uint64_t addr, void *buf, size_t len)
{
    if (s->soc) {
        memcpy(buf, s->soc->mem + (addr - OPI_TEST_RAM), len);
    } else {
        qtest_memread(s->qts, addr, buf, len);
    }
}

void mem_write(Side *s, uint64_t addr, const void *buf, size_t len)
{
    if (s->soc) {
        memcpy(s->soc->mem + (addr - OPI_TEST_RAM), buf, len);
        /* Before the index word that covers it. */
        smp_mb();
    } else {
        qtest_memwrite(s->qts, addr, buf, len);
    }
}

uint32_t mem_ld32(Side *s, uint64_t addr)
{
    if (s->soc) {
        return le32_to_cpu(qatomic_load_acquire(
            (uint32_t *)(s->soc->mem + (addr - OPI_TEST_RAM))));
    }
    return qtest_readl(s->qts, addr);
}

void mem_st32(Side *s, uint64_t addr, uint32_t val)
{
    if (s->soc) {
        qatomic_store_release((uint32_t *)(s->soc->mem + (addr - OPI_TEST_RAM)),
                              cpu_to_le32(val));
        /* Before the card's index words are looked at. */
        smp_mb();
    } else {
        qtest_writel(s->qts, addr, val);
    }
}

static void mem_zero(Side *s, uint64_t addr, size_t len)
{
    if (s->soc) {
        memset(s->soc->mem + (addr - OPI_TEST_RAM), 0, len);
    } else {
        qtest_memset(s->qts, addr, 0, len);
    }
}

uint64_t side_alloc(Side *s, size_t size)
{
    uint64_t addr = s->alloc;

    s->alloc = QEMU_ALIGN_UP(addr + size, 64);
    g_assert_cmphex(s->alloc, <=, s->ram + s->ram_size);
    mem_zero(s, addr, size);
    return addr;
}

bool irq_taken(Side *s, unsigned vector)
{
    if (s->soc) {
        struct opi_ctrl *c = s->soc->ctrl;
        uint64_t bit = 1ULL << (vector % 64);

        qatomic_xchg(&c->irq_pending, 0);
        return qatomic_fetch_and(&c->irq[vector / 64], ~bit) & bit;
    }
    if (qtest_readl(s->qts, s->msi + vector * 4) != 0x1000 + vector) {
        return false;
    }
    qtest_writel(s->qts, s->msi + vector * 4, 0);
    return true;
}

void irq_wait(Side *s, unsigned vector)
{
    int64_t end = now_ms() + WAIT_MS;

    while (!irq_taken(s, vector)) {
        side_idle(s, end);
    }
}

/* ---- The driver -------------------------------------------------------- */

void fn_reset(Side *s)
{
    s->token = (reg_read(s, OPI_REG_DEV_STATUS) >>
                OPI_DEV_STATUS_TOKEN_SHIFT) + 1;
    reg_write(s, OPI_REG_DEV_CTRL, OPI_DEV_CTRL_RESET |
              (uint32_t)s->token << OPI_DEV_CTRL_TOKEN_SHIFT);
    reg_wait(s, OPI_REG_DEV_STATUS, UINT32_MAX, OPI_DEV_STATUS_READY |
             (uint32_t)s->token << OPI_DEV_STATUS_TOKEN_SHIFT);
    s->alloc = s->ram;
    s->aq_tail = 0;
    s->aq_cpls = 0;
    memset(s->eqs, 0, sizeof(s->eqs));
    memset(s->qps, 0, sizeof(s->qps));
}

void aq_enable(Side *s, unsigned order)
{
    s->aq_order = order;
    s->aq_sq = side_alloc(s, sizeof(struct opi_cmd) << order);
    s->aq_cq = side_alloc(s, sizeof(struct opi_cmd_cpl) << order);
    s->buf = side_alloc(s, OPI_CMD_BUF_MAX);
    reg_write(s, OPI_REG_AQ_SQ_LO, s->aq_sq);
    reg_write(s, OPI_REG_AQ_SQ_HI, s->aq_sq >> 32);
    reg_write(s, OPI_REG_AQ_CQ_LO, s->aq_cq);
    reg_write(s, OPI_REG_AQ_CQ_HI, s->aq_cq >> 32);
    reg_write(s, OPI_REG_AQ_CTRL,
              OPI_AQ_CTRL_ENABLE | order << OPI_AQ_CTRL_ORDER_SHIFT);
    reg_wait(s, OPI_REG_AQ_STATUS, UINT32_MAX, OPI_AQ_STATUS_ENABLED);
}

void cmd_post(Side *s, const struct opi_cmd *cmd)
{
    uint32_t i = s->aq_tail & ((1u << s->aq_order) - 1);

    mem_write(s, s->aq_sq + i * sizeof(*cmd), cmd, sizeof(*cmd));
    doorbell(s, 0, OPI_DB_AQ_TAIL, ++s->aq_tail);
}

bool cmd_try(Side *s, struct opi_cmd_cpl *cpl, int ms)
{
    uint32_t size = 1u << s->aq_order;
    uint64_t addr = s->aq_cq + (s->aq_cpls & (size - 1)) * sizeof(*cpl);
    uint32_t phase = !(s->aq_cpls & size);
    int64_t end = now_ms() + ms;

    while ((mem_ld32(s, addr + 12) >> 16 & 1) != phase) {
        if (now_ms() >= end) {
            return false;
        }
        side_idle(s, INT64_MAX);
    }
    mem_read(s, addr, cpl, sizeof(*cpl));
    s->aq_cpls++;
    return true;
}

struct opi_cmd_cpl cmd_wait(Side *s)
{
    struct opi_cmd_cpl cpl;

    g_assert(cmd_try(s, &cpl, WAIT_MS));
    return cpl;
}

struct opi_cmd_cpl cmd_run(Side *s, struct opi_cmd cmd)
{
    uint32_t cookie = 0x5a000000 | s->cookie++;
    struct opi_cmd_cpl cpl;

    side_pump(s);
    cmd.cookie = cpu_to_le32(cookie);
    cmd_post(s, &cmd);
    cpl = cmd_wait(s);
    g_assert_cmphex(le32_to_cpu(cpl.cookie), ==, cookie);
    g_assert_cmpint(le16_to_cpu(cpl.sq_head), ==, (uint16_t)s->aq_tail);
    return cpl;
}

uint16_t cmd_status(Side *s, uint16_t opcode, uint32_t target)
{
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(opcode),
        .target = cpu_to_le32(target),
    };

    return le16_to_cpu(cmd_run(s, cmd).status);
}

uint16_t cmd_fill(Side *s, uint16_t opcode, uint32_t target, void *buf,
                  uint32_t len)
{
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(opcode),
        .target = cpu_to_le32(target),
        .buf = cpu_to_le64(s->buf),
        .buf_len = cpu_to_le32(len),
    };
    struct opi_cmd_cpl cpl;

    mem_zero(s, s->buf, OPI_CMD_BUF_MAX);
    cpl = cmd_run(s, cmd);
    if (le16_to_cpu(cpl.status) == OPI_ST_OK) {
        g_assert_cmpint(le16_to_cpu(cpl.resp_len), <=, len);
    } else {
        g_assert_cmpint(le16_to_cpu(cpl.resp_len), ==, 0);
    }
    mem_read(s, s->buf, buf, len);
    return le16_to_cpu(cpl.status);
}

uint16_t cmd_take(Side *s, uint16_t opcode, uint32_t target, const void *buf,
                  uint32_t len)
{
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(opcode),
        .target = cpu_to_le32(target),
        .buf = cpu_to_le64(s->buf),
        .buf_len = cpu_to_le32(len),
    };
    struct opi_cmd_cpl cpl;

    mem_write(s, s->buf, buf, len);
    cpl = cmd_run(s, cmd);
    g_assert_cmpint(cpl.resp_len, ==, 0);
    g_assert_cmpint(cpl.result, ==, 0);
    return le16_to_cpu(cpl.status);
}

uint16_t eq_create(Side *s, unsigned id, unsigned order, unsigned vector)
{
    Eq *eq = &s->eqs[id];
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(OPI_CMD_EQ_CREATE),
        .target = cpu_to_le32(id),
    };
    uint16_t st;

    memset(eq, 0, sizeof(*eq));
    eq->order = order;
    eq->ring = side_alloc(s, sizeof(struct opi_eqe) << order);
    eq->shadow = side_alloc(s, sizeof(struct opi_eq_shadow));
    cmd.u.eq.ring = cpu_to_le64(eq->ring);
    cmd.u.eq.shadow = cpu_to_le64(eq->shadow);
    cmd.u.eq.order = order;
    cmd.u.eq.vector = cpu_to_le16(vector);
    st = le16_to_cpu(cmd_run(s, cmd).status);
    eq->used = st == OPI_ST_OK;
    return st;
}

bool eq_try(Side *s, unsigned id, struct opi_eqe *e)
{
    Eq *eq = &s->eqs[id];
    uint32_t size = 1u << eq->order;
    uint64_t addr = eq->ring + (eq->head & (size - 1)) * sizeof(*e);

    if ((mem_ld32(s, addr + offsetof(struct opi_eqe, phase)) & 1) !=
        !(eq->head & size)) {
        return false;
    }
    mem_read(s, addr, e, sizeof(*e));
    eq->head++;
    mem_st32(s, eq->shadow + offsetof(struct opi_eq_shadow, head), eq->head);
    return true;
}

struct opi_eqe eq_wait(Side *s, unsigned id, uint8_t type)
{
    int64_t end = now_ms() + WAIT_MS;
    struct opi_eqe e;

    for (;;) {
        if (!eq_try(s, id, &e)) {
            side_idle(s, end);
        } else if (e.type == type) {
            return e;
        }
    }
}

void eq_arm(Side *s, unsigned id)
{
    mem_st32(s, s->eqs[id].shadow + offsetof(struct opi_eq_shadow, arm),
             s->eqs[id].head);
}

void side_start(Side *s)
{
    fn_reset(s);
    aq_enable(s, 4);
    g_assert_cmpint(eq_create(s, 0, 6, 0), ==, OPI_ST_OK);
    g_assert_cmpint(eq_create(s, 1, 4, 1), ==, OPI_ST_OK);
}

unsigned qp_limit(Side *s)
{
    return reg_read(s, OPI_REG_LIMITS0) & OPI_LIMITS0_QPS_MASK;
}

uint16_t qp_create(Side *s, unsigned id, unsigned order, unsigned eq,
                   uint32_t rxlen)
{
    return qp_create_for(s, id, order, eq, rxlen, 0);
}

uint16_t qp_create_for(Side *s, unsigned id, unsigned order, unsigned eq,
                       uint32_t rxlen, uint32_t port)
{
    Qp *q = &s->qps[id];
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(OPI_CMD_QP_CREATE),
        .target = cpu_to_le32(id),
    };

    memset(q, 0, sizeof(*q));
    q->sq_order = q->rq_order = q->cq_order = order;
    q->sq = side_alloc(s, sizeof(struct opi_txd) << order);
    q->rq = side_alloc(s, sizeof(struct opi_rxd) << order);
    q->cq = side_alloc(s, sizeof(struct opi_cqe) << order);
    q->shadow = side_alloc(s, sizeof(struct opi_qp_shadow));
    q->rxlen = rxlen;
    q->rxbuf = side_alloc(s, (size_t)rxlen << order);
    cmd.u.qp.sq = cpu_to_le64(q->sq);
    cmd.u.qp.rq = cpu_to_le64(q->rq);
    cmd.u.qp.cq = cpu_to_le64(q->cq);
    cmd.u.qp.shadow = cpu_to_le64(q->shadow);
    cmd.u.qp.sq_order = order;
    cmd.u.qp.rq_order = order;
    cmd.u.qp.cq_order = order;
    cmd.u.qp.eq = cpu_to_le16(eq);
    cmd.u.qp.port = cpu_to_le16(port);
    return le16_to_cpu(cmd_run(s, cmd).status);
}

#define SHADOW(q, word) ((q)->shadow + offsetof(struct opi_qp_shadow, word))

void qp_post_rx(Side *s, unsigned id, unsigned n)
{
    Qp *q = &s->qps[id];
    uint32_t mask = (1u << q->rq_order) - 1;

    while (n--) {
        uint32_t i = q->rq_tail++ & mask;
        struct opi_rxd d = {
            .addr = cpu_to_le64(q->rxbuf + (uint64_t)i * q->rxlen),
            .len = cpu_to_le32(q->rxlen),
            .id = cpu_to_le16(i + 100),
        };

        mem_write(s, q->rq + i * sizeof(d), &d, sizeof(d));
    }
    mem_st32(s, SHADOW(q, rq_tail), q->rq_tail);
}

void qp_post_txd(Side *s, unsigned id, const struct opi_txd *d)
{
    Qp *q = &s->qps[id];
    uint32_t i = q->sq_tail++ & ((1u << q->sq_order) - 1);

    mem_write(s, q->sq + i * sizeof(*d), d, sizeof(*d));
}

void qp_kick(Side *s, unsigned id)
{
    Qp *q = &s->qps[id];

    mem_st32(s, SHADOW(q, sq_tail), q->sq_tail);
    doorbell(s, id + 1, OPI_DB_SQ_TAIL, q->sq_tail);
}

void qp_send(Side *s, unsigned id, uint32_t port, const void *frame, size_t len,
             unsigned nsegs)
{
    struct opi_txd meta = { .port = cpu_to_le32(port) };

    qp_send_meta(s, id, &meta, frame, len, nsegs);
}

void qp_send_meta(Side *s, unsigned id, const struct opi_txd *meta,
                  const void *frame, size_t len, unsigned nsegs)
{
    unsigned i;
    /* A place for frames that the next reset takes back. */
    uint64_t at = s->ram + s->ram_size - (128 << 10) * (id + 1);

    side_pump(s);
    qp_wait_sent(s, id);
    mem_write(s, at, frame, len);
    for (i = 0; i < nsegs; i++) {
        size_t n = i == nsegs - 1 ? len : len / (nsegs - i);
        struct opi_txd d = { 0 };

        if (i == 0) {
            d = *meta;
            d.flags |= cpu_to_le16(OPI_TXD_F_SOP);
            d.nsegs = nsegs;
        }
        if (i == nsegs - 1) {
            d.flags |= cpu_to_le16(OPI_TXD_F_EOP);
        }
        d.addr = cpu_to_le64(at);
        d.len = cpu_to_le32(n);
        qp_post_txd(s, id, &d);
        at += n;
        len -= n;
    }
    qp_kick(s, id);
}

void qp_wait_sent(Side *s, unsigned id)
{
    Qp *q = &s->qps[id];
    int64_t end = now_ms() + WAIT_MS;

    while (mem_ld32(s, SHADOW(q, sq_head)) != q->sq_tail) {
        side_idle(s, end);
    }
}

size_t qp_recv(Side *s, unsigned id, void *buf, size_t size, uint32_t *port,
               int ms)
{
    struct opi_cqe first;
    size_t len = qp_recv_meta(s, id, buf, size, &first, ms);

    if (len) {
        g_assert_cmphex(le16_to_cpu(first.flags) & ~OPI_CQE_F_EOP, ==,
                        OPI_CQE_F_SOP);
        g_assert_cmpint(first.gso_type, ==, OPI_GSO_NONE);
        if (port) {
            *port = le32_to_cpu(first.port);
        }
    }
    return len;
}

size_t qp_recv_meta(Side *s, unsigned id, void *buf, size_t size,
                    struct opi_cqe *first, int ms)
{
    Qp *q = &s->qps[id];
    uint32_t ring = 1u << q->cq_order;
    int64_t end = now_ms() + ms;
    size_t len = 0;
    unsigned n = 0, nbufs = 1;

    side_pump(s);
    while (n < nbufs) {
        uint64_t addr = q->cq + (q->cq_head & (ring - 1)) *
                        sizeof(struct opi_cqe);
        uint16_t id_want = (q->cq_head & ((1u << q->rq_order) - 1)) + 100;
        struct opi_cqe c;
        uint32_t l;

        if ((mem_ld32(s, addr + 28) >> 16 & 1) != !(q->cq_head & ring)) {
            /* Frames come whole: only the first may be waited for. */
            g_assert_cmpint(n, ==, 0);
            if (now_ms() >= end) {
                return 0;
            }
            side_idle(s, INT64_MAX);
            continue;
        }
        mem_read(s, addr, &c, sizeof(c));
        l = le32_to_cpu(c.len);
        g_assert_cmpint(c.type, ==, OPI_CQE_RX);
        g_assert_cmpint(le16_to_cpu(c.id), ==, id_want);
        g_assert_cmpint(l, <=, q->rxlen);
        if (n == 0) {
            nbufs = c.nbufs;
            g_assert_cmpint(nbufs, >, 0);
            *first = c;
        }
        g_assert_cmphex(le16_to_cpu(c.flags) & (OPI_CQE_F_SOP | OPI_CQE_F_EOP),
                        ==, (n ? 0 : OPI_CQE_F_SOP) |
                        (n == nbufs - 1 ? OPI_CQE_F_EOP : 0));
        g_assert_cmpint(len + l, <=, size);
        mem_read(s, q->rxbuf + (uint64_t)(le16_to_cpu(c.id) - 100) * q->rxlen,
                 (uint8_t *)buf + len, l);
        len += l;
        q->cq_head++;
        n++;
    }
    mem_st32(s, SHADOW(q, cq_head), q->cq_head);
    qp_post_rx(s, id, nbufs);
    return len;
}

struct opi_qp_info qp_info(Side *s, unsigned id)
{
    struct opi_qp_info i;

    g_assert_cmpint(cmd_fill(s, OPI_CMD_QP_QUERY, id, &i, sizeof(i)), ==,
                    OPI_ST_OK);
    return i;
}

struct opi_port_stats port_stats(Side *s, uint32_t port)
{
    struct opi_port_stats st;

    g_assert_cmpint(cmd_fill(s, OPI_CMD_PORT_STATS, port, &st, sizeof(st)), ==,
                    OPI_ST_OK);
    return st;
}

struct opi_port_info port_info(Side *s, uint32_t port)
{
    struct opi_port_info i;

    g_assert_cmpint(cmd_fill(s, OPI_CMD_PORT_GET, port, &i, sizeof(i)), ==,
                    OPI_ST_OK);
    return i;
}

struct opi_func_info func_info(Side *s, uint32_t id)
{
    struct opi_func_info i;

    g_assert_cmpint(cmd_fill(s, OPI_CMD_FUNC_GET, id, &i, sizeof(i)), ==,
                    OPI_ST_OK);
    return i;
}

uint16_t func_set(Side *s, uint32_t id, struct opi_cmd cmd)
{
    cmd.opcode = cpu_to_le16(OPI_CMD_FUNC_SET);
    cmd.target = cpu_to_le32(id);
    return le16_to_cpu(cmd_run(s, cmd).status);
}

uint16_t func_set_max_vfs(Side *s, unsigned n)
{
    struct opi_cmd cmd = { 0 };

    cmd.u.func.mask = cpu_to_le32(OPI_FUNC_SET_MAX_VFS);
    cmd.u.func.max_vfs = cpu_to_le16(n);
    return func_set(s, 1, cmd);
}

uint32_t func_create(Side *s, uint32_t sf, uint16_t *st)
{
    struct opi_cmd cmd = { .opcode = cpu_to_le16(OPI_CMD_FUNC_CREATE) };
    struct opi_cmd_cpl cpl;

    cmd.u.create.type = OPI_PORT_SF;
    cmd.u.create.fclass = OPI_CLASS_NET;
    cmd.u.create.controller = cpu_to_le16(1);
    cmd.u.create.sf = cpu_to_le32(sf);
    cpl = cmd_run(s, cmd);
    *st = le16_to_cpu(cpl.status);
    g_assert_cmpint(!!cpl.result, ==, *st == OPI_ST_OK);
    return le32_to_cpu(cpl.result);
}

uint16_t func_attach(Side *s, uint32_t id, unsigned up)
{
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(OPI_CMD_FUNC_ATTACH),
        .target = cpu_to_le32(id),
    };

    cmd.u.state.up = up;
    return le16_to_cpu(cmd_run(s, cmd).status);
}

struct opi_eqe func_wait(Side *s, uint32_t change)
{
    struct opi_eqe e;

    do {
        e = eq_wait(s, 0, OPI_EV_FUNC);
    } while (le32_to_cpu(e.value) != change);
    return e;
}

uint16_t port_state(Side *s, uint32_t port, bool up)
{
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(OPI_CMD_PORT_SET_STATE),
        .target = cpu_to_le32(port),
    };

    cmd.u.state.up = up;
    return le16_to_cpu(cmd_run(s, cmd).status);
}

uint16_t boot_set(Side *s, uint8_t os, uint16_t time)
{
    struct opi_cmd cmd = { .opcode = cpu_to_le16(OPI_CMD_BOOT_SET) };

    cmd.u.boot.os_status = os;
    cmd.u.boot.max_boot_time = cpu_to_le16(time);
    return le16_to_cpu(cmd_run(s, cmd).status);
}

void traffic_start(Side *host, Side *dpu)
{
    traffic_start_with(host, dpu, 5, 2048);
}

void traffic_start_with(Side *host, Side *dpu, unsigned order, uint32_t rxlen)
{
    side_start(host);
    side_start(dpu);
    g_assert_cmpint(qp_create(host, 0, order, 1, rxlen), ==, OPI_ST_OK);
    g_assert_cmpint(qp_create(dpu, 0, order, 1, rxlen), ==, OPI_ST_OK);
    qp_post_rx(host, 0, 1 << order);
    qp_post_rx(dpu, 0, 1 << order);
    g_assert_cmpint(port_state(host, 1, true), ==, OPI_ST_OK);
    g_assert_cmpint(port_state(dpu, 0, true), ==, OPI_ST_OK);
    g_assert_cmpint(port_state(dpu, 1, true), ==, OPI_ST_OK);
    g_assert_cmpint(boot_set(dpu, OPI_OS_BOOTED, OPI_BOOT_TIME_KEEP), ==,
                    OPI_ST_OK);
}

void frame_fill(uint8_t *buf, size_t len, uint32_t seed)
{
    size_t i;

    for (i = 0; i < len; i++) {
        buf[i] = seed + i * 7 + (i >> 8) * 3;
    }
}

bool frame_ok(const uint8_t *buf, size_t len, uint32_t seed)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (buf[i] != (uint8_t)(seed + i * 7 + (i >> 8) * 3)) {
            return false;
        }
    }
    return true;
}

void carry(Side *fn, unsigned qp, uint32_t port, Side *dpu)
{
    static uint8_t frame[300], got[2048];
    static uint32_t seed;
    uint32_t from;

    frame_fill(frame, 200, ++seed);
    qp_send(fn, qp, 0, frame, 200, 1);
    g_assert_cmpint(qp_recv(dpu, 0, got, sizeof(got), &from, 20000), ==, 200);
    g_assert_true(frame_ok(got, 200, seed));
    g_assert_cmpint(from, ==, port);

    frame_fill(frame, 300, ++seed);
    qp_send(dpu, 0, port, frame, 300, 2);
    g_assert_cmpint(qp_recv(fn, qp, got, sizeof(got), &from, 20000), ==, 300);
    g_assert_true(frame_ok(got, 300, seed));
    g_assert_cmpint(from, ==, 0);
}

/* ---- QEMUs ------------------------------------------------------------- */

static QTestState *bed_host(Bed *b, unsigned what, const char *opts)
{
    g_autoptr(GString) args = g_string_new(NULL);

    /* Slots as the test bed has them, too. */
    g_string_printf(args, "-M q35 -m 64 -nodefaults -no-shutdown -global "
                    "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "
                    "-chardev socket,id=link0,path=%s,server=on,wait=off ",
                    b->link);
    if (what & BED_IOMMU) {
        g_string_append(args, "-device intel-iommu ");
    }
    if (what & BED_WIRE) {
        g_string_append_printf(args, "-netdev dgram,id=up0,local.type=unix,"
                               "local.path=%s/card,remote.type=unix,"
                               "remote.path=%s/wire ", b->dir, b->dir);
    }
    g_string_append_printf(args, "-device opi-card,id=card0,serial=%" PRIu64
                           ",chardev=link0,max-qps=%d%s%s%s ",
                           (uint64_t)OPI_TEST_SERIAL, OPI_TEST_QPS,
                           what & BED_WIRE ? ",netdev=up0" : "",
                           opts ? "," : "", opts ? opts : "");
    g_string_append(args, "-device pcie-root-port,id=rp0,bus=pcie.0,addr=4,"
                    "chassis=1,slot=1 -device opi-dpu,card=card0,bus=rp0");
    return qtest_init(args->str);
}

QTestState *bed_dpu(Bed *b)
{
    return qtest_initf("-object memory-backend-memfd,id=mem,size=64M,share=on "
                       "-M q35,memory-backend=mem -m 64 -nodefaults "
                       "-no-shutdown "
                       "-chardev socket,id=link0,path=%s,reconnect-ms=20 "
                       "-device pcie-root-port,id=rp0,bus=pcie.0,addr=4,"
                       "chassis=1,slot=1 "
                       "-device opi-soc,chardev=link0,bus=rp0", b->link);
}

void bed_host_again(Bed *b)
{
    b->hostq = bed_host(b, 0, NULL);
    b->host = side_pci(b->hostq, OPI_ROLE_HOST_PF);
}

static int bed_wire(Bed *b)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/wire", b->dir);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), ==, 0);
    return fd;
}

Bed *bed_new(unsigned what, const char *card_opts)
{
    Bed *b = g_new0(Bed, 1);

    b->dir = g_dir_make_tmp("opi-qtest-XXXXXX", NULL);
    g_assert(b->dir);
    b->link = g_strdup_printf("%s/link", b->dir);
    b->wire = -1;
    if (what & BED_WIRE) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };

        b->wire = bed_wire(b);
        b->hostq = bed_host(b, what, card_opts);
        snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/card", b->dir);
        g_assert_cmpint(connect(b->wire, (struct sockaddr *)&sa, sizeof(sa)),
                        ==, 0);
    } else {
        b->hostq = bed_host(b, what, card_opts);
    }
    b->host = side_pci(b->hostq, OPI_ROLE_HOST_PF);
    if (what & BED_FAKE) {
        bed_fake_again(b);
    }
    if (what & BED_DPU) {
        b->dpuq = bed_dpu(b);
        b->dpu = side_pci(b->dpuq, OPI_ROLE_DPU);
        card_wait_link(b, true);
        reg_wait(b->dpu, OPI_REG_DEV_STATUS, OPI_DEV_STATUS_ABSENT |
                 OPI_DEV_STATUS_READY, OPI_DEV_STATUS_READY);
    }
    return b;
}

void bed_fake_again(Bed *b)
{
    fake_free(b->soc);
    side_free(b->dpu);
    b->soc = fake_connect(b->link);
    bed_soc = b->soc;
    fake_up(b->soc);
    b->dpu = side_fake(b->soc);
}

void bed_free(Bed *b)
{
    static const char *const names[] = { "link", "card", "wire" };
    unsigned i;

    side_free(b->host);
    side_free(b->dpu);
    fake_free(b->soc);
    if (b->dpuq) {
        qtest_quit(b->dpuq);
    }
    qtest_quit(b->hostq);
    if (b->wire >= 0) {
        close(b->wire);
    }
    for (i = 0; i < ARRAY_SIZE(names); i++) {
        g_autofree char *p = g_strdup_printf("%s/%s", b->dir, names[i]);

        unlink(p);
    }
    rmdir(b->dir);
    g_free(b->link);
    g_free(b->dir);
    g_free(b);
}

#define CARD "/machine/peripheral/card0"

void card_set_u32(Bed *b, const char *prop, uint32_t val)
{
    qtest_qmp_assert_success(b->hostq, "{'execute': 'qom-set', 'arguments': "
                             "{'path': %s, 'property': %s, 'value': %u}}",
                             CARD, prop, val);
}

void card_set_bool(Bed *b, const char *prop, bool val)
{
    qtest_qom_set_bool(b->hostq, CARD, prop, val);
}

bool card_get_bool(Bed *b, const char *prop)
{
    return qtest_qom_get_bool(b->hostq, CARD, prop);
}

uint32_t card_get_u32(Bed *b, const char *prop)
{
    QDict *r = qtest_qmp(b->hostq, "{'execute': 'qom-get', 'arguments': "
                         "{'path': %s, 'property': %s}}", CARD, prop);
    uint32_t val;

    g_assert(qdict_haskey(r, "return"));
    val = qdict_get_int(r, "return");
    qobject_unref(r);
    return val;
}

void card_wait_link(Bed *b, bool up)
{
    int64_t end = now_ms() + WAIT_MS;

    while (card_get_bool(b, "link-up") != up) {
        g_assert_cmpint(now_ms(), <, end);
        g_usleep(5000);
    }
}
