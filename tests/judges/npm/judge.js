// Judges records of an audit log with code that is not ours: each leaf must be its own RFC 8785 form (canonicalize), and each
// disclosure must open one of its digests (RFC 9901, @sd-jwt).
//
// usage: node judge.js FILE      FILE: a record a line, {"index": 0, "leaf": "...", "disclosures": ["base64url", ...]}
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { SDJwt } from '@sd-jwt/core';
import { Disclosure } from '@sd-jwt/utils';
import canonicalize from 'canonicalize';

const hash = { alg: 'sha-256', hasher: (data) => new Uint8Array(createHash('sha256').update(data).digest()) };

async function judge({ leaf, disclosures }, number) {
  const parsed = JSON.parse(leaf);
  if (canonicalize(parsed) !== leaf) throw new Error('it is not its own RFC 8785 form');
  if (parsed.i !== number) throw new Error(`it says it is record ${parsed.i}`);
  if (parsed._sd_alg !== hash.alg) throw new Error(`its digests are of ${parsed._sd_alg}`);
  const digests = new Set(parsed._sd);
  const opened = await Promise.all(disclosures.map((text) => Disclosure.fromEncode(text, hash)));
  for (const disclosure of opened) {
    if (!digests.delete(await disclosure.digest(hash))) throw new Error(`${disclosure.key} opens none of its digests`);
  }
  // What a verifier makes of leaf and disclosures together.
  const jwt = { header: {}, payload: { _sd: parsed._sd, _sd_alg: parsed._sd_alg } };
  const claims = await new SDJwt({ jwt, disclosures: opened }).getClaims(hash.hasher);
  for (const { key, value } of opened) {
    if (claims[key] !== value) throw new Error(`${key} is not among the claims`);
  }
  return { disclosed: opened.length, closed: digests.size };
}

let records = 0;
let disclosed = 0;
let closed = 0;
for await (const line of createInterface({ input: createReadStream(process.argv[2]) })) {
  const record = JSON.parse(line);
  try {
    const found = await judge(record, record.index);
    disclosed += found.disclosed;
    closed += found.closed;
  } catch (error) {
    console.error(`judge: record ${record.index}: ${error.message}`);
    process.exit(1);
  }
  records += 1;
}
if (records === 0) {
  console.error('judge: no records');
  process.exit(1);
}
console.log(`${records} records in canonical form; ${disclosed} disclosures open a digest, ${closed} digests stay closed`);
