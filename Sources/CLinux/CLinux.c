#define _GNU_SOURCE
#include "CLinux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <link.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int result(long value) { return value < 0 ? -errno : (int)value; }

int clinux_setns(int fd, int kind) { return result(setns(fd, kind)); }
int clinux_unshare(int kinds) { return result(unshare(kinds)); }
int clinux_bind_mount(const char *source, const char *target) {
    return result(mount(source, target, "none", MS_BIND, NULL));
}
int clinux_mount_shared(const char *target) {
    if (mount("", target, "none", MS_SHARED | MS_REC, NULL) == 0) return 0;
    if (errno != EINVAL) return -errno;
    // Not a mount point yet.
    if (mount(target, target, "none", MS_BIND | MS_REC, NULL) < 0) return -errno;
    return result(mount("", target, "none", MS_SHARED | MS_REC, NULL));
}
int clinux_mount_tmpfs(const char *target) {
    return result(mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"));
}
int clinux_mount_private(void) {
    return result(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
}
int clinux_mount_sysfs(void) { return result(mount("sysfs", "/sys", "sysfs", 0, NULL)); }
int clinux_unmount(const char *target) { return result(umount2(target, MNT_DETACH)); }

int clinux_probe_user_namespace(void) {
    pid_t pid = fork();
    if (pid < 0) return -errno;
    if (pid == 0) _exit(unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 ? errno : 0);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -errno;
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

int clinux_epoll_create(void) { return result(epoll_create1(EPOLL_CLOEXEC)); }
static int control(int epoll, int operation, int fd, uint64_t token, uint32_t what) {
    struct epoll_event event = {.events = (what & CLINUX_READABLE ? EPOLLIN : 0u) |
                                          (what & CLINUX_WRITABLE ? EPOLLOUT : 0u),
                                .data.u64 = token};
    return result(epoll_ctl(epoll, operation, fd, &event));
}
int clinux_epoll_add(int epoll, int fd, uint64_t token, uint32_t what) {
    return control(epoll, EPOLL_CTL_ADD, fd, token, what);
}
int clinux_epoll_modify(int epoll, int fd, uint64_t token, uint32_t what) {
    return control(epoll, EPOLL_CTL_MOD, fd, token, what);
}
int clinux_epoll_remove(int epoll, int fd) {
    return control(epoll, EPOLL_CTL_DEL, fd, 0, 0);
}
int clinux_epoll_wait(int epoll, struct clinux_ready *ready, int capacity, int timeout_ms) {
    struct epoll_event events[CLINUX_BATCH];
    if (capacity > CLINUX_BATCH) capacity = CLINUX_BATCH;
    int count = epoll_wait(epoll, events, capacity, timeout_ms);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) {
        ready[i].token = events[i].data.u64;
        ready[i].what = (events[i].events & EPOLLIN ? CLINUX_READABLE : 0u) |
                        (events[i].events & EPOLLOUT ? CLINUX_WRITABLE : 0u) |
                        (events[i].events & (EPOLLHUP | EPOLLERR) ? CLINUX_CLOSED : 0u);
    }
    return count;
}
int clinux_timerfd_create(void) {
    return result(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
}
int clinux_timerfd_arm(int fd, int64_t ns) {
    struct itimerspec spec = {0};
    if (ns > 0) {
        spec.it_value.tv_sec = ns / 1000000000;
        spec.it_value.tv_nsec = ns % 1000000000;
    }
    return result(timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, NULL));
}
int clinux_signalfd(const int *signals, int count) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error != 0) return -error;
    return result(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}
int clinux_signalfd_read(int fd) {
    struct signalfd_siginfo information;
    ssize_t count = read(fd, &information, sizeof information);
    if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    return (int)information.ssi_signo;
}
int clinux_pipe(int ends[2]) { return result(pipe2(ends, O_CLOEXEC)); }
int clinux_random(void *bytes, size_t count) { return result(getrandom(bytes, count, 0)); }
int clinux_memory_file(void) { return result(memfd_create("mptcpctl", MFD_CLOEXEC)); }
int clinux_raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    limit.rlim_cur = limit.rlim_max;
    return result(setrlimit(RLIMIT_NOFILE, &limit));
}
int clinux_eventfd(void) { return result(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }
static int64_t now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
int64_t clinux_monotonic_ns(void) { return now(CLOCK_MONOTONIC); }
int64_t clinux_realtime_ns(void) { return now(CLOCK_REALTIME); }

int clinux_packet_open(int ifindex, const struct clinux_filter *filter, int filter_length,
                       int receive_buffer, int timestamps) {
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int one = 1;
    // ETH_P_ALL: the tap of a single ethertype runs behind the nft ingress hook.
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_protocol = htons(ETH_P_ALL),
                                  .sll_ifindex = ifindex};
    if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) < 0 ||
        (timestamps && setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one) < 0))
        goto fail;
    (void)(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer, sizeof receive_buffer) < 0
           && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer));
    if (filter_length > 0) {
        struct sock_fprog program = {.len = (unsigned short)filter_length,
                                     .filter = (struct sock_filter *)filter};
        if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0) goto fail;
    }
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) goto fail;
    return fd;
fail:;
    int error = errno;
    close(fd);
    return -error;
}

// Room for one SCM_TIMESTAMPNS.
union arrival_note {
    char octets[CMSG_SPACE(sizeof(struct timespec))];
    struct cmsghdr header;
};

struct clinux_ring {
    int slots;
    size_t slot_size;
    uint8_t *slab;
    struct mmsghdr *messages;
    // As many for each message: its slot, and what is sent behind it from elsewhere.
    struct iovec (*vectors)[1 + CLINUX_PIECES];
    struct sockaddr_ll *addresses;
    union arrival_note *notes;
    // Slots that the next batch is to find ready and does not: at first all of them.
    int used;
};

struct clinux_ring *clinux_ring_create(int slots, size_t slot_size) {
    struct clinux_ring *ring = calloc(1, sizeof *ring);
    if (ring == NULL) return NULL;
    ring->slots = ring->used = slots;
    ring->slot_size = slot_size;
    size_t count = (size_t)slots;
    // mmap: pages that no frame ever touches cost nothing.
    ring->slab = mmap(NULL, count * slot_size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ring->messages = calloc(count, sizeof *ring->messages);
    ring->vectors = calloc(count, sizeof *ring->vectors);
    ring->addresses = calloc(count, sizeof *ring->addresses);
    ring->notes = calloc(count, sizeof *ring->notes);
    if (ring->slab == MAP_FAILED || !ring->messages || !ring->vectors || !ring->addresses ||
        !ring->notes) {
        clinux_ring_destroy(ring);
        return NULL;
    }
    for (int i = 0; i < slots; i++) {
        ring->vectors[i][0].iov_base = ring->slab + (size_t)i * slot_size;
        ring->messages[i].msg_hdr.msg_iov = ring->vectors[i];
        ring->messages[i].msg_hdr.msg_iovlen = 1;
    }
    return ring;
}
void clinux_ring_destroy(struct clinux_ring *ring) {
    if (ring->slab != MAP_FAILED) munmap(ring->slab, (size_t)ring->slots * ring->slot_size);
    free(ring->messages);
    free(ring->vectors);
    free(ring->addresses);
    free(ring->notes);
    free(ring);
}
uint8_t *clinux_ring_slot(const struct clinux_ring *ring, int slot) {
    return ring->slab + (size_t)slot * ring->slot_size;
}
uint32_t clinux_ring_length(const struct clinux_ring *ring, int slot) {
    return ring->messages[slot].msg_len;
}
int clinux_ring_packet_type(const struct clinux_ring *ring, int slot) {
    return ring->addresses[slot].sll_pkttype;
}
int clinux_ring_truncated(const struct clinux_ring *ring, int slot) {
    return (ring->messages[slot].msg_hdr.msg_flags & MSG_TRUNC) != 0;
}
int64_t clinux_ring_arrival(const struct clinux_ring *ring, int slot) {
    struct msghdr *header = &ring->messages[slot].msg_hdr;
    struct cmsghdr *note = CMSG_FIRSTHDR(header);
    if (note == NULL || note->cmsg_level != SOL_SOCKET || note->cmsg_type != SCM_TIMESTAMPNS)
        return 0;
    struct timespec t;
    memcpy(&t, CMSG_DATA(note), sizeof t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
void clinux_ring_set_length(struct clinux_ring *ring, int slot, uint32_t length) {
    ring->vectors[slot][0].iov_len = length;
    ring->messages[slot].msg_hdr.msg_iovlen = 1;
}

void clinux_ring_add_piece(struct clinux_ring *ring, int slot, const void *start, size_t length) {
    struct msghdr *header = &ring->messages[slot].msg_hdr;
    if (header->msg_iovlen > CLINUX_PIECES) abort();
    header->msg_iov[header->msg_iovlen++] =
        (struct iovec){.iov_base = (void *)start, .iov_len = length};
}

int clinux_ring_receive(struct clinux_ring *ring, int fd) {
    // Only what the last batch wrote into is to be made ready again: most batches are small.
    for (int i = 0; i < ring->used; i++) {
        ring->vectors[i][0].iov_len = ring->slot_size;
        ring->messages[i].msg_hdr.msg_name = &ring->addresses[i];
        ring->messages[i].msg_hdr.msg_namelen = sizeof ring->addresses[i];
        ring->messages[i].msg_hdr.msg_control = &ring->notes[i];
        ring->messages[i].msg_hdr.msg_controllen = sizeof ring->notes[i];
    }
    int count = result(recvmmsg(fd, ring->messages, (unsigned)ring->slots, MSG_DONTWAIT, NULL));
    ring->used = count > 0 ? count : 0;
    return count;
}
int clinux_ring_send(struct clinux_ring *ring, int fd, int first, int count) {
    return result(sendmmsg(fd, ring->messages + first, (unsigned)count, MSG_DONTWAIT));
}

int clinux_packet_drops(int fd, uint32_t *drops) {
    struct tpacket_stats statistics = {0};
    socklen_t length = sizeof statistics;
    if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) < 0) return -errno;
    *drops = statistics.tp_drops;
    return 0;
}

static int ethtool(int fd, const char *interface, struct ethtool_value *value) {
    struct ifreq request = {0};
    strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
    request.ifr_data = (void *)value;
    return result(ioctl(fd, SIOCETHTOOL, &request));
}
int clinux_set_offloads(const char *interface, uint32_t enabled_mask) {
    // In the order in which one needs the other.
    static const uint32_t commands[] = {ETHTOOL_STXCSUM, ETHTOOL_SSG, ETHTOOL_STSO, ETHTOOL_SGSO,
                                        ETHTOOL_SGRO};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int error = 0;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        struct ethtool_value value = {.cmd = commands[i], .data = enabled_mask >> i & 1u};
        int code = ethtool(fd, interface, &value);
        if (code < 0 && code != -EOPNOTSUPP && error == 0) error = code;
    }
    close(fd);
    return error;
}
int clinux_offloads(const char *interface, uint32_t *enabled_mask) {
    static const uint32_t commands[] = {ETHTOOL_GTXCSUM, ETHTOOL_GSG, ETHTOOL_GTSO, ETHTOOL_GGSO,
                                        ETHTOOL_GGRO};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int error = 0;
    *enabled_mask = 0;
    for (size_t i = 0; i < sizeof commands / sizeof *commands && error == 0; i++) {
        struct ethtool_value value = {.cmd = commands[i]};
        error = ethtool(fd, interface, &value);
        if (error == 0 && value.data) *enabled_mask |= 1u << i;
    }
    close(fd);
    return error;
}
int clinux_hardware_address(const char *interface, uint8_t octets[6]) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    struct ifreq request = {0};
    strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
    int error = result(ioctl(fd, SIOCGIFHWADDR, &request));
    if (error == 0) memcpy(octets, request.ifr_hwaddr.sa_data, 6);
    close(fd);
    return error;
}

static int populate(struct dl_phdr_info *object, size_t size, void *unused) {
    (void)size;
    (void)unused;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD) continue;
        uintptr_t start = object->dlpi_addr + segment->p_vaddr;
        uintptr_t end = start + segment->p_memsz;
        start &= ~(page - 1);
        // Kernels before 5.14 refuse: then pages come when they are needed.
        (void)madvise((void *)start, end - start,
                      segment->p_flags & PF_W ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
    }
    return 0;
}
void clinux_populate_program(void) { dl_iterate_phdr(populate, NULL); }

int clinux_set_fifo(int priority) {
    struct sched_param parameter = {.sched_priority = priority};
    return result(sched_setscheduler(0, SCHED_FIFO, &parameter));
}
int clinux_set_timer_slack(uint64_t ns) { return result(prctl(PR_SET_TIMERSLACK, ns)); }
int clinux_pidfd_open(int pid) { return result(syscall(SYS_pidfd_open, pid, 0)); }
int clinux_pidfd_send_signal(int pidfd, int number) {
    return result(syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0));
}
int clinux_effective_capabilities(uint64_t *mask) {
    struct { uint32_t version; int pid; } header = {0x20080522, 0};
    struct { uint32_t effective, permitted, inheritable; } data[2];
    if (syscall(SYS_capget, &header, data) < 0) return -errno;
    *mask = data[0].effective | (uint64_t)data[1].effective << 32;
    return 0;
}

// Only async-signal-safe calls: the process has other threads.
static void run_child(const struct clinux_spawn *order, const int streams[3], pid_t parent,
                      int report) {
    int failure[2] = {CLINUX_STAGE_EXECUTE, 0};
    if (order->die_with_parent) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(126);
    }
    // Ctrl-C on the terminal is for the parent: it ends its children in order.
    if (order->own_process_group) setpgid(0, 0);
    for (int i = 0; i < 3; i++)
        if (dup2(streams[i], i) < 0) goto fail;
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (order->netns_fd >= 0 && setns(order->netns_fd, CLONE_NEWNET) < 0) {
        failure[0] = CLINUX_STAGE_NAMESPACE;
        goto fail;
    }
    if (order->env != NULL)
        execve(order->path, order->argv, order->env);
    else
        execv(order->path, order->argv);
fail:
    failure[1] = errno;
    (void)!write(report, failure, sizeof failure);
    _exit(127);
}

int clinux_spawn(const struct clinux_spawn *order, int *stage) {
    *stage = 0;
    int wanted[3] = {order->in, order->out, order->err};
    // Copies above 2, so that setting up one stream cannot close another.
    int streams[3] = {-1, -1, -1};
    int report[2] = {-1, -1};
    int error = 0;
    pid_t pid = -1;
    for (int i = 0; i < 3; i++) {
        int source = wanted[i] >= 0 ? wanted[i] : open("/dev/null", O_RDWR | O_CLOEXEC);
        streams[i] = source < 0 ? -1 : fcntl(source, F_DUPFD_CLOEXEC, 3);
        if (streams[i] < 0) error = errno;
        if (wanted[i] < 0 && source >= 0) close(source);
        if (error != 0) goto done;
    }
    if (pipe2(report, O_CLOEXEC) < 0) {
        error = errno;
        goto done;
    }
    pid_t parent = getpid();
    pid = fork();
    if (pid == 0) run_child(order, streams, parent, report[1]);
    if (pid < 0) {
        error = errno;
        goto done;
    }
    close(report[1]);
    report[1] = -1;
    int failure[2];
    ssize_t count;
    // The pipe ends without a word when exec succeeds.
    while ((count = read(report[0], failure, sizeof failure)) < 0 && errno == EINTR) {}
    if (count == (ssize_t)sizeof failure) {
        *stage = failure[0];
        error = failure[1];
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    }
done:
    for (int i = 0; i < 3; i++)
        if (streams[i] >= 0) close(streams[i]);
    if (report[0] >= 0) close(report[0]);
    if (report[1] >= 0) close(report[1]);
    return error != 0 ? -error : (int)pid;
}
