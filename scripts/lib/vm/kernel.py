"""Debian's kernels for virtual machines: fetched with apt-get, unpacked once, kept in the cache."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

# What the guest can load; what these need comes with them.
WANTED = (
    "virtio_pci",
    "virtio_blk",
    "wireguard",
    "veth",
    "dummy",
    "nlmon",
    "bridge",
    "tun",
    "nf_tables",
    "nft_chain_nat",
    "nft_ct",
    "nft_masq",
    "nft_fib_inet",
    "nft_reject_inet",
    "nft_limit",
    "nft_log",
)


class Unavailable(Exception):
    pass


def cache_directory():
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "sanad" / "vm"


def _apt(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as failed:
        said = getattr(failed, "stderr", "") or str(failed)
        raise Unavailable(f"{' '.join(command)}: {said.strip()}; are the package lists there? apt-get update") from None


def offered():
    """Every kernel for virtual machines that apt offers, by version, oldest first: {"6.1.0-56": package}."""
    names = re.findall(r"(?m)^(linux-image-(\d[^ ]*)-cloud-amd64) ", _apt("apt-cache", "search", "--names-only", "^linux-image-[0-9]"))

    def rank(version):
        return [int(number) for number in re.findall(r"\d+", version)]

    # Names without a full version are meta packages.
    full = {version: name for name, version in names if len(rank(version)) >= 3 and not version.endswith("rt")}
    return dict(sorted(full.items(), key=lambda item: rank(item[0])))


def package_for(choice):
    """`choice`: "6.1" (the newest of that line), "newest", a package's name, or a .deb file."""
    if choice.endswith(".deb") or choice.startswith("linux-image-"):
        return choice
    kernels = offered()
    if choice != "newest":
        kernels = {version: name for version, name in kernels.items() if version.startswith(choice + ".")}
    if not kernels:
        raise Unavailable(f"apt offers no cloud kernel {choice}; --kernel also takes a package's name or a .deb file")
    return list(kernels.values())[-1]


class Kernel:
    """`directory` has vmlinuz and lib/modules/VERSION with the modules above, ready for modprobe."""

    def __init__(self, directory):
        self.directory = directory
        self.image = directory / "vmlinuz"
        self.version = next((directory / "lib" / "modules").iterdir()).name


def fetch(choice):
    package = package_for(choice)
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    # What is unpacked from it is part of the name: a cache from before another module was wanted is none.
    modules = hashlib.sha256(" ".join(WANTED).encode()).hexdigest()[:8]
    directory = cache / f"{pathlib.Path(package).name.removesuffix('.deb')}.{modules}"
    if not directory.exists():
        with tempfile.TemporaryDirectory(dir=cache) as work:
            work = pathlib.Path(work)
            _unpack(package, work)
            # Only a whole one gets its name: an interrupted run leaves nothing that looks finished.
            (work / "kernel").rename(directory)
    return Kernel(directory)


def _unpack(package, work):
    if package.endswith(".deb"):
        deb = pathlib.Path(package).resolve()
    else:
        try:
            subprocess.run(["apt-get", "-qq", "download", package], cwd=work, capture_output=True, text=True, check=True)
        except subprocess.CalledProcessError as failed:
            raise Unavailable(f"couldn't fetch {package}: {failed.stderr.strip()}") from None
        deb = next(work.glob("*.deb"))
    subprocess.run(["dpkg-deb", "-x", str(deb), str(work / "all")], check=True)
    modules = next((work / "all" / "lib" / "modules").iterdir())
    _depmod(work / "all", modules.name)
    kept = work / "kernel" / "lib" / "modules" / modules.name
    for name in _closure(modules):
        (kept / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(modules / name, kept / name)
        if name.endswith(".xz"):
            subprocess.run(["xz", "-d", str(kept / name)], check=True)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        shutil.copy(modules / name, kept / name)
    _depmod(work / "kernel", modules.name)
    shutil.copy(next((work / "all" / "boot").glob("vmlinuz-*")), work / "kernel" / "vmlinuz")


def _depmod(base, version):
    depmod = shutil.which("depmod") or "/sbin/depmod"
    subprocess.run([depmod, "-b", str(base), version], check=True, capture_output=True)


def _closure(modules):
    needs = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
    chosen = set()
    for path, dependencies in needs.items():
        if re.sub(r"\.ko(\.xz)?$", "", pathlib.Path(path).name).replace("-", "_") in WANTED:
            chosen.update([path, *dependencies])
    # crypto algorithms are found by alias, not by dependency: wireguard's come with it, a NAT's checksums do not.
    chosen.update(path for path in needs if "crc32c" in path)
    return sorted(chosen)
