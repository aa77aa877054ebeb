/* Tells of each handshake that WireGuard completes: which interface, which peer, when. It changes nothing and sees no packet.
 *
 * wg_timers_handshake_complete(peer) is where WireGuard sets the time that a dump shows. Two ways to be called there:
 * - fexit: after it, at next to no cost. Needs the module's BTF by id, which only a holder of CAP_SYS_ADMIN gets.
 * - kprobe: before its first instruction. CAP_BPF and CAP_PERFMON are enough, so this is the way of the systemd unit.
 * For the same reason the places of WireGuard's own members come from user space, which reads the same BTF from a file. */
#include "kernel_types.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "record.h"

/* Set before it is loaded. */
const volatile unsigned int network_namespace = 0; /* inode: others' interfaces are none of our business */
const volatile struct SanadWgOffsets offsets = {};

__u64 lost = 0; /* told to nobody: the ring was full */

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 256 * 1024); /* 4,096 handshakes: four seconds of what one interface lets in under load */
} ring SEC(".maps");

static __always_inline int tell(const char *peer) {
  const char *device = 0;
  struct net_device *dev = 0;
  bpf_probe_read_kernel(&device, sizeof device, peer + offsets.peer_device);
  bpf_probe_read_kernel(&dev, sizeof dev, device + offsets.device_dev);
  if (BPF_CORE_READ(dev, nd_net.net, ns.inum) != network_namespace) return 0;

  struct SanadHintRecord *record = bpf_ringbuf_reserve(&ring, sizeof *record, 0);
  if (!record) {
    __sync_fetch_and_add(&lost, 1);
    return 0;
  }
  record->boot_ns = bpf_ktime_get_boot_ns();
  BPF_CORE_READ_INTO(&record->interface_name, dev, name);
  bpf_probe_read_kernel(record->peer, sizeof record->peer, peer + offsets.peer_remote_static);
  bpf_ringbuf_submit(record, 0);
  return 0;
}

SEC("fexit/wg_timers_handshake_complete")
int BPF_PROG(after_handshake, const char *peer) {
  return tell(peer);
}

SEC("kprobe/wg_timers_handshake_complete")
int BPF_KPROBE(at_handshake, const char *peer) {
  return tell(peer);
}

/* Ours to give; the kernel lends bpf_probe_read_kernel() to programs under its own licence only. */
char LICENSE[] SEC("license") = "Dual MIT/GPL";
