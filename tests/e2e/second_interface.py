"""A further interface in a lab's configuration, before the start."""

from lab.wireguard import new_private_key

SECOND = """\
  - name: {name}
    backend: auto
    listen_port: 51830
    addresses: [10.67.0.1/24]
    pools: [{pool}]
    private_key_file: {key}
    client:
      endpoint: "203.0.113.10:51830"
"""


def add_second_interface(gateway, pool="10.67.0.0/30"):
    """Its name."""
    name = gateway.interface + "b"
    key = gateway.state / "keys" / f"{name}.key"
    key.write_text(new_private_key() + "\n")
    key.chmod(0o600)
    head, mark, rest = gateway.config.read_text().partition("interfaces:\n")
    lines = rest.splitlines(keepends=True)
    end = next(n for n, line in enumerate(lines) if line.strip() and line[0] not in " #-")
    lines.insert(end, SECOND.format(name=name, key=key, pool=pool))
    gateway.config.write_text(head + mark + "".join(lines))
    return name
