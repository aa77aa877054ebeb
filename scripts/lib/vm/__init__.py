"""A virtual machine with a Debian kernel and a root made of this host's own files. See scripts/vm.

Python 3.11's standard library only. Needs neither root nor hardware support.
"""
