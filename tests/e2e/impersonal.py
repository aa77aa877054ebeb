"""At the end of every run: no leaf of its log says a name, an e-mail, an outer address, a key or a secret that the run used."""

import base64
import json
import pathlib
import re
import shutil
import sqlite3
import tempfile

# Shorter ones are in every text; who is named so is found by the other words.
SHORTEST = 5
# Root's account is what tests run as; a leaf says "root" of many things.
EVERYDAY = {"device", "laptop", "phone", "tablet", "erased"}


def bundle_entries(data):
    while data:
        size = int.from_bytes(data[:2], "big")
        yield data[2 : 2 + size]
        data = data[2 + size :]


def published_leaves(log):
    """Of every bundle file, full or partial: what was published once counts, also when it is superseded."""
    for file in sorted((log / "tile" / "entries").rglob("*")):
        if file.is_file():
            yield from bundle_entries(file.read_bytes())


def rows(database, query):
    return [row for row in database.execute(query)]


def base64_of(value):
    return base64.b64encode(value).decode() if value else ""


def address_of(key):
    """The ledger's form of an address: the family, then the bytes."""
    if key[:1] == b"\x04":
        return ".".join(str(byte) for byte in key[1:])
    return ""


def words_of(database):
    """What state.db knows that is personal or secret."""
    words = set()
    for name, email, handle in rows(database, "SELECT name, email, handle FROM owners"):
        words |= {name, email, handle}
    for note, public, preshared in rows(database, "SELECT note, public_key, preshared_key FROM peers"):
        words |= {note, base64_of(public), base64_of(preshared)}
    words |= {address_of(row[0]) for row in rows(database, "SELECT DISTINCT address FROM session_endpoints")}
    for (items,) in rows(database, "SELECT items FROM disclosures"):
        words |= {value for _, name, value in json.loads(items) if isinstance(value, str) and not name.startswith("actor.user")}
    words |= {row[0] for row in rows(database, "SELECT reason FROM holds")}
    return words


def words_of_keys(directory):
    words = set()
    for file in directory.iterdir():
        for line in file.read_text(errors="replace").splitlines():
            if not line.startswith("-----"):
                words.add(line.strip())
    return words


def words_of_requests(bodies):
    """Owners, notes, reasons and keys of what was asked of the admin socket."""
    words = set()

    def collect(value, key=""):
        if isinstance(value, dict):
            for name, inner in value.items():
                collect(inner, name)
        elif isinstance(value, list):
            for inner in value:
                collect(inner, key)
        elif isinstance(value, str) and key in ("name", "email", "handle", "note", "preshared_key", "reason", "approver"):
            words.add(value)

    for body in bodies:
        collect(body)
    return words


def words_of_run(lab, database):
    gateway = lab.gateway
    words = words_of(database) | words_of_keys(gateway.state / "keys") | words_of_requests(gateway.admin.sent)
    words |= {address for client in lab.clients for address in client.host.addresses}
    for profile in gateway.admin.profiles:
        words |= set(re.findall(r"(?m)^(?:PrivateKey|PresharedKey) *= *(\S+)", profile))
    return {word for word in words if len(word) >= SHORTEST and word not in EVERYDAY}


def leaks(leaves, words):
    """[(leaf, word)] of what is found, as JSON would write it."""
    texts = list(leaves)
    whole = "\n".join(texts)
    found = []
    for word in sorted(words):
        written = json.dumps(word, ensure_ascii=False)[1:-1]
        if written in whole:
            found.append((next(text for text in texts if written in text), word))
    return found


def check(lab):
    """Walks every leaf of the lab's gateway, published or still in the outbox. AssertionError names what was found."""
    state = lab.gateway.state
    if not (state / "state.db").exists():
        return
    with tempfile.TemporaryDirectory() as scratch:
        # A copy: opening it must change nothing of what a test may have left on purpose.
        for suffix in ("", "-wal"):
            source = pathlib.Path(f"{state / 'state.db'}{suffix}")
            if source.exists():
                shutil.copy(source, pathlib.Path(scratch) / source.name)
        database = sqlite3.connect(pathlib.Path(scratch) / "state.db")
        try:
            words = words_of_run(lab, database)
            waiting = [leaf for row in rows(database, "SELECT text FROM outbox") for leaf in bytes(row[0]).split(b"\n")]
        finally:
            database.close()
    log = state / "log"
    leaves = list(published_leaves(log)) if log.exists() else []
    leaves = [leaf.decode() for leaf in leaves + waiting]
    found = leaks(leaves, words)
    if found:
        told = "\n".join(f"  {word!r} in {leaf[:600]}" for leaf, word in found[:10])
        raise AssertionError(f"{len(found)} of {len(words)} words that are personal or secret stand in the log:\n{told}")
    print(f"impersonal: {len(leaves)} leaves, none says any of {len(words)} names, addresses, keys and secrets of the run")
