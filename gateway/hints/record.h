/* What the program in the kernel and the daemon say to each other. C: both compile it. */
#ifndef SANAD_HINTS_RECORD_H
#define SANAD_HINTS_RECORD_H

/* Goes up with every change below: what an older sanadd left in the kernel is not taken for ours. */
#define SANAD_HINT_VERSION 1
#define SANAD_HINT_NAME 16
#define SANAD_HINT_KEY 32

/* Bytes from the start of a struct of the wireguard module to a member of it. */
struct SanadWgOffsets {
  unsigned int peer_device;
  unsigned int peer_remote_static;
  unsigned int device_dev;
};

struct SanadHintRecord {
  unsigned long long boot_ns; /* CLOCK_BOOTTIME */
  char interface_name[SANAD_HINT_NAME];
  unsigned char peer[SANAD_HINT_KEY];
};

#endif
