"""A small internet of network namespaces with a real gateway and real WireGuard clients in it.

Used by scripts/demo and tests/e2e. Python 3.11's standard library only. Needs root. Everything it makes carries a random
mark in its name, so that several labs run side by side, and goes away in Lab.close().
"""
