"""Runs the guest under qemu, without hardware support, and takes its results."""

import pathlib
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import time

from .root import Missing

# What a kernel says when something in it went wrong.
_COMPLAINT = re.compile(r"WARNING: |BUG: |Oops|general protection fault|Kernel panic|UBSAN: |KASAN: |refcount_t: |lockdep")


class Outcome:
    """`status` of the program, None when it did not come to its end; `complaints`: lines of the kernel's log."""

    def __init__(self, status, complaints, seconds):
        self.status = status
        self.complaints = complaints
        self.seconds = seconds


def script(command, environment):
    """The file that the guest's first process runs."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    return "\n".join([*lines, "exec " + shlex.join(command)]) + "\n"


def run(kernel, initrd, out, cpus, memory_mib, seconds, boot_arguments=""):
    """Boots and waits for the end, at most `seconds`. The program's output goes to our own standard output as it comes; files,
    console and kernel log go to `out`."""
    qemu = shutil.which("qemu-system-x86_64")
    if qemu is None:
        raise Missing("qemu-system-x86_64 is not installed (scripts/setup installs it)")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        results = pathlib.Path(work) / "results"
        with results.open("wb") as made:
            made.truncate(1 << 30)  # sparse: only what the guest writes takes room
        command = [
            *(["nice"] if shutil.which("nice") else []),
            qemu,
            *("-accel", "tcg,thread=multi" if cpus > 1 else "tcg", "-cpu", "max", "-smp", str(cpus), "-m", str(memory_mib)),
            *("-display", "none", "-no-reboot", "-monitor", "none", "-nic", "none"),
            *("-kernel", str(kernel.image), "-initrd", str(initrd)),
            *("-append", f"console=ttyS0 quiet loglevel=4 panic=-1 oops=panic random.trust_cpu=on no_timer_check {boot_arguments}".strip()),
            *("-drive", f"file={results},format=raw,if=virtio,cache=unsafe"),
            *("-serial", f"file:{out / 'console'}", "-serial", "stdio"),
        ]
        began = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        took = time.monotonic() - began
        return _collect(results, out, took)


def _collect(results, out, took):
    status = None
    try:
        with tarfile.open(results, "r:") as archive:
            archive.extractall(out, filter="data") if hasattr(tarfile, "data_filter") else archive.extractall(out)
        status = int((out / ".status").read_text())
        (out / ".status").unlink()
        (out / ".dmesg").rename(out / "dmesg")
    except (tarfile.TarError, OSError, ValueError):
        pass  # it never came to its end; the console says more
    log = out / "dmesg" if (out / "dmesg").exists() else out / "console"
    text = log.read_text(errors="replace") if log.exists() else ""
    return Outcome(status, [line.strip() for line in text.splitlines() if _COMPLAINT.search(line)], took)
