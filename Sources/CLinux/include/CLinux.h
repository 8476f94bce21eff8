// What the Glibc module lacks: packet sockets, epoll, timerfd, namespaces, ethtool offloads, spawn.
// Every function that returns int returns -errno when it fails.
#ifndef CLINUX_H
#define CLINUX_H

// No system header with _GNU_SOURCE here: it would clash with the Glibc module's view of it.
#include <stddef.h>
#include <stdint.h>

// Namespaces. `kinds` is a mask of the constants below.
enum { CLINUX_NEWUSER = 0x10000000, CLINUX_NEWNET = 0x40000000, CLINUX_NEWNS = 0x00020000 };
int clinux_setns(int fd, int kind);
int clinux_unshare(int kinds);
int clinux_bind_mount(const char *source, const char *target);
// Makes a directory a shared mount of its own, as `ip netns add` does with /run/netns.
int clinux_mount_shared(const char *target);
int clinux_mount_tmpfs(const char *target);
int clinux_mount_private(void);
int clinux_unmount(const char *target);
int clinux_mount_sysfs(void);
// Whether a new user namespace with a network namespace in it can be made: tried in a child.
int clinux_probe_user_namespace(void);

// Event loop.
enum { CLINUX_READABLE = 1, CLINUX_WRITABLE = 2, CLINUX_CLOSED = 4 };
struct clinux_ready { uint64_t token; uint32_t what; };
int clinux_epoll_create(void);
int clinux_epoll_add(int epoll, int fd, uint64_t token, uint32_t what);
int clinux_epoll_modify(int epoll, int fd, uint64_t token, uint32_t what);
int clinux_epoll_remove(int epoll, int fd);
int clinux_epoll_wait(int epoll, struct clinux_ready *ready, int capacity, int timeout_ms);
int clinux_timerfd_create(void);
// Arms for a point of CLOCK_MONOTONIC; 0 disarms. Either way an expiry not yet read is forgotten.
int clinux_timerfd_arm(int fd, int64_t monotonic_ns);
int clinux_signalfd(const int *signals, int count);
// The next signal, 0 when there is none.
int clinux_signalfd_read(int fd);
int clinux_eventfd(void);
int64_t clinux_monotonic_ns(void);
int64_t clinux_realtime_ns(void);
// Raises the soft limit of open files to the hard one.
int clinux_raise_descriptor_limit(void);
// An anonymous file in memory.
int clinux_memory_file(void);
int clinux_pipe(int ends[2]);
int clinux_random(void *bytes, size_t count);

// Packet sockets. Frames stand behind a virtio_net_hdr of CLINUX_VNET_HEADER octets.
enum { CLINUX_VNET_HEADER = 10, CLINUX_BATCH = 64 };
struct clinux_filter { uint16_t code; uint8_t jt, jf; uint32_t k; };
// With `timestamps` the kernel notes for each frame when it came.
int clinux_packet_open(int ifindex, const struct clinux_filter *filter, int filter_length,
                       int receive_buffer, int timestamps);
// Slots for recvmmsg or sendmmsg, laid out once.
struct clinux_ring;
struct clinux_ring *clinux_ring_create(int slots, size_t slot_size);
void clinux_ring_destroy(struct clinux_ring *ring);
uint8_t *clinux_ring_slot(const struct clinux_ring *ring, int slot);
uint32_t clinux_ring_length(const struct clinux_ring *ring, int slot);
int clinux_ring_packet_type(const struct clinux_ring *ring, int slot);
int clinux_ring_truncated(const struct clinux_ring *ring, int slot);
// Nanoseconds of CLOCK_REALTIME at which the frame came; 0 without timestamps.
int64_t clinux_ring_arrival(const struct clinux_ring *ring, int slot);
void clinux_ring_set_length(struct clinux_ring *ring, int slot, uint32_t length);
// Sends these octets behind those of the slot, where they lie; behind set_length, at most so often.
#define CLINUX_PIECES 2
void clinux_ring_add_piece(struct clinux_ring *ring, int slot, const void *start, size_t length);
// Receives into all slots; returns how many were filled.
int clinux_ring_receive(struct clinux_ring *ring, int fd);
// Sends slots first ..< first + count; returns how many went out.
int clinux_ring_send(struct clinux_ring *ring, int fd, int first, int count);
// Frames that the kernel dropped because nobody fetched them, since the last call.
int clinux_packet_drops(int fd, uint32_t *drops);

// ethtool: TX checksumming, scatter-gather, TSO, GSO and GRO of an interface, from bit 0 on.
int clinux_set_offloads(const char *interface, uint32_t enabled_mask);
int clinux_offloads(const char *interface, uint32_t *enabled_mask);
int clinux_hardware_address(const char *interface, uint8_t octets[6]);

// Processes and threads.
// Reads and relocates every page of the program and its libraries now, not when it is first needed.
void clinux_populate_program(void);
int clinux_set_fifo(int priority);
int clinux_set_timer_slack(uint64_t ns);
// Readable when the process has ended.
int clinux_pidfd_open(int pid);
int clinux_pidfd_send_signal(int pidfd, int number);
int clinux_effective_capabilities(uint64_t *mask);
struct clinux_spawn {
    const char *path;
    char *const *argv;
    char *const *env;          // NULL: this process's
    int netns_fd;              // entered before exec; -1: none
    int in, out, err;          // -1: /dev/null
    int die_with_parent;       // SIGKILL when the spawning THREAD ends
    int own_process_group;
};
enum { CLINUX_STAGE_NAMESPACE = 1, CLINUX_STAGE_EXECUTE = 2 };
// Forks and executes. Returns the pid, or -errno; `stage` says what failed in the child, or 0.
int clinux_spawn(const struct clinux_spawn *order, int *stage);

// MPTCP sockets.
enum { CLINUX_IPPROTO_MPTCP = 262, CLINUX_SOL_MPTCP = 284, CLINUX_MPTCP_INFO = 1,
       CLINUX_TCP_IS_MPTCP = 43, CLINUX_TCP_CONGESTION = 13, CLINUX_TCP_NODELAY = 1,
       CLINUX_TCP_FASTOPEN = 23, CLINUX_TCP_FASTOPEN_CONNECT = 30 };
#endif
