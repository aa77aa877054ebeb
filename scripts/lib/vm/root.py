"""What is in the guest's root: tools of this host, Python, the tree's own scripts and tests, the binaries under test."""

import pathlib
import shutil
import subprocess
import tempfile

from .archive import Archive

TREE = pathlib.Path(__file__).resolve().parents[3]
GUEST_TREE = pathlib.Path("/sanad")

# Each with its libraries. A shell and everything small comes from busybox.
TOOLS = ("ip", "wg", "nft", "ping", "kmod", "python3.11", "sysctl", "iperf3", "ss", "unshare", "nsenter", "openssl", "setpriv")
PYTHON = pathlib.Path("/usr/lib/python3.11")
PYTHON_WITHOUT = ("test", "tests", "idlelib", "lib2to3", "tkinter", "turtledemo", "ensurepip", "distutils", "pydoc_data", "config-3.11-x86_64-linux-gnu")

PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
GROUP = "root:x:0:\nusers:x:100:\nnogroup:x:65534:\n"


class Missing(Exception):
    pass


def _find(name):
    # /usr/bin first: a version manager's shims in PATH are scripts.
    found = shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin") or shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed (scripts/setup installs it)")
    return pathlib.Path(found)


def _put_tools(archive):
    busybox = _find("busybox")
    archive.program(busybox, "/bin/busybox")
    for name in TOOLS:
        source = _find(name)
        archive.program(source, f"/usr/bin/{name}")
    archive.link("/usr/bin/python3", "python3.11")
    for name in ("modprobe", "insmod", "lsmod", "rmmod"):
        archive.link(f"/sbin/{name}", "/usr/bin/kmod")
    for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet not in ("busybox", "modprobe", "insmod", "lsmod", "rmmod", "ip", "ping", "sysctl", "unshare", "nsenter", "setpriv"):
            archive.link(f"/bin/{applet}", "/bin/busybox")
    for library in ("libnss_files.so.2", "libgcc_s.so.1"):
        source = pathlib.Path("/lib/x86_64-linux-gnu") / library
        if source.exists():
            archive.copy(source)


def _put_python(archive):
    # Of the C extensions only what their own libraries allow without more packages; sqlite3, ssl and ctypes bring theirs.
    archive.tree(PYTHON, PYTHON, without=PYTHON_WITHOUT)
    for extension in (PYTHON / "lib-dynload").glob("*.so"):
        archive.libraries(extension)
    pyroute2 = pathlib.Path("/usr/lib/python3/dist-packages/pyroute2")
    if not pyroute2.exists():
        raise Missing("python3-pyroute2 is not installed (scripts/setup installs it)")
    archive.tree(pyroute2, pyroute2)


def _stripped(program):
    """Without its symbols a program is a third of the size, and the guest boots the sooner."""
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run([_find("strip"), "-o", out.name, program], check=True)
        return pathlib.Path(out.name).read_bytes()


def make(kernel, binaries, more, destination):
    """Writes the archive; `more`: {path in the guest: file of the host}, programs with their libraries."""
    archive = Archive()
    for directory in ("/proc", "/sys", "/dev", "/run", "/tmp", "/out", "/root", "/etc", "/var/lib", "/sbin"):
        archive.directory(directory)
    # The kernel opens it before anything is mounted.
    archive.character_device("/dev/console", 5, 1)
    archive.file("/etc/passwd", PASSWD.encode())
    archive.file("/etc/group", GROUP.encode())
    archive.file("/etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files\n")
    archive.file("/etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n")
    for name in ("/etc/protocols", "/etc/services", "/etc/iproute2/rt_protos", "/etc/ssl/openssl.cnf"):
        if pathlib.Path(name).exists():
            archive.copy(name)
    archive.copy(pathlib.Path(__file__).with_name("guest-init"), "/init")
    _put_tools(archive)
    _put_python(archive)
    archive.tree(kernel.directory / "lib", "/lib")
    for folder in ("scripts/lib", "tests/e2e", "tests/vm", "tests/bench"):
        if (TREE / folder).exists():
            archive.tree(TREE / folder, GUEST_TREE / folder, without=("__pycache__", "CMakeLists.txt"))
    for source in binaries:
        archive.file(GUEST_TREE / "build" / "release" / "bin" / source.name, _stripped(source), 0o755)
        archive.libraries(source)
    for path, source in more.items():
        archive.program(source, path)
    return archive.write(destination)
