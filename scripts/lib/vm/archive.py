"""The initial file system: a cpio archive (newc, Documentation/driver-api/early-userspace/buffer-format.rst) made in memory."""

import os
import pathlib
import stat
import subprocess


class Archive:
    def __init__(self):
        self._parts = []
        self._size = 0
        self._known = {"/"}
        self._inode = 0

    def _put(self, path, mode, data=b"", device=(0, 0)):
        name = path.lstrip("/").encode() + b"\0"
        self._inode += 1
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        for part in (header, data):
            self._parts.append(part + b"\0" * (-len(part) % 4))
            self._size += len(self._parts[-1])

    def directory(self, path):
        path = str(path)
        if path in self._known:
            return
        self.directory(os.path.dirname(path))
        self._known.add(path)
        self._put(path, stat.S_IFDIR | 0o755)

    def file(self, path, data, mode=0o644):
        path = str(path)
        if path in self._known:
            return
        self.directory(os.path.dirname(path))
        self._known.add(path)
        self._put(path, stat.S_IFREG | mode, data)

    def link(self, path, target):
        path = str(path)
        if path in self._known:
            return
        self.directory(os.path.dirname(path))
        self._known.add(path)
        self._put(path, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, path, major, minor):
        self.directory(os.path.dirname(path))
        self._put(path, stat.S_IFCHR | 0o600, device=(major, minor))

    def copy(self, source, path=None):
        """A file of the host, under its own name unless `path` is given; symbolic links are followed."""
        source = pathlib.Path(source)
        self.file(path or source, source.read_bytes(), stat.S_IMODE(source.stat().st_mode))

    def tree(self, source, path, without=()):
        """A directory of the host; `without`: names that are left out at any depth."""
        for directory, subdirectories, files in os.walk(source):
            subdirectories[:] = sorted(name for name in subdirectories if name not in without)
            inside = pathlib.Path(path) / os.path.relpath(directory, source)
            self.directory(os.path.normpath(inside))
            for name in sorted(files):
                if name not in without and os.path.isfile(os.path.join(directory, name)):
                    self.copy(os.path.join(directory, name), os.path.normpath(inside / name))

    def program(self, source, path=None):
        """A program and the libraries it is linked with."""
        self.copy(source, path)
        self.libraries(source)

    def libraries(self, source):
        listed = subprocess.run(["ldd", str(source)], capture_output=True, text=True, check=False).stdout
        for word in listed.split():
            if word.startswith("/"):
                self.copy(word)

    def write(self, path):
        self._put("TRAILER!!!", 0)
        with open(path, "wb") as out:
            out.writelines(self._parts)
        return self._size
