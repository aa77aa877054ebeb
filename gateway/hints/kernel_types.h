/* The few kernel types that handshakes.bpf.c looks into. Names and members are the kernel's (include/linux/netdevice.h,
 * include/net/net_namespace.h, include/linux/ns_common.h, arch/.../asm/ptrace.h), places are not: each is found in the BTF of the
 * kernel it is loaded into. Of our own and not dumped from some kernel, so that it builds on any host. */
#ifndef SANAD_HINTS_KERNEL_TYPES_H
#define SANAD_HINTS_KERNEL_TYPES_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

enum { BPF_MAP_TYPE_RINGBUF = 27 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs {
  unsigned long di;
};

struct user_pt_regs {
  __u64 regs[31];
};

struct ns_common {
  unsigned int inum;
};

struct net {
  struct ns_common ns;
};

typedef struct {
  struct net *net;
} possible_net_t;

struct net_device {
  char name[16];
  possible_net_t nd_net;
};

#pragma clang attribute pop

#endif
