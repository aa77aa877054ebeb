#include <gtest/gtest.h>

#include <random>

#include "control/audit/note.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::audit {
namespace {

const std::string kDash = "\xE2\x80\x94 ";

Signer signer(const std::string& name, std::uint8_t fill) {
  std::array<std::uint8_t, 32> seed{};
  seed.fill(fill);
  return {name, Secret32(seed)};
}

// The vkey and the note that the specification shows.
constexpr const char* kExampleKey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const std::string kExampleNote =
    "This is an example message.\n\n" + kDash +
    "example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

TEST(Note, TheSpecificationsExampleVerifies) {
  const auto key = parse_vkey(kExampleKey);
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->name, "example.com/foo");
  EXPECT_EQ(key->type, KeyType::ed25519);
  EXPECT_EQ(key_id(*key), 0x530d903aU);
  EXPECT_EQ(to_vkey(*key), kExampleKey);
  const auto note = parse_note(kExampleNote);
  ASSERT_TRUE(note) << note.error().message;
  EXPECT_EQ(note->text, "This is an example message.\n");
  ASSERT_EQ(note->signatures.size(), 1U);
  EXPECT_EQ(note->signatures[0].name, "example.com/foo");
  EXPECT_EQ(note->signatures[0].key_id, 0x530d903aU);
  EXPECT_TRUE(verify_note(*note, std::vector{*key}));
}

TEST(Note, WhatWeSignWeVerify) {
  const Signer log = signer("sanad/gw-1", 7);
  const std::string text = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned \xC3\xA8 subito sera.\n";
  const std::string note = make_note(text, sign_note(text, log).value());
  const auto parsed = parse_note(note).value();
  EXPECT_EQ(parsed.text, text);
  const auto verified = verify_note(parsed, std::vector{verifier_of(log).value()});
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->size(), 1U);
}

TEST(Note, CosignaturesAreUnderstood) {
  const Signer log = signer("log.example", 1);
  const Signer witness = signer("witness.example/w1", 2);
  const std::string text = "log.example\n1\nroot\n";
  const std::string note = make_note(text, sign_note(text, log).value() + cosign_note(text, witness, 1'679'315'147).value());
  const std::vector keys{verifier_of(log).value(), verifier_of(witness, KeyType::cosignature_v1).value()};
  const auto verified = verify_note(parse_note(note).value(), keys);
  ASSERT_TRUE(verified) << verified.error().message;
  ASSERT_EQ(verified->size(), 2U);
  EXPECT_EQ((*verified)[1].key, 1U);
  EXPECT_EQ((*verified)[1].timestamp, 1'679'315'147U);
  // 4 bytes of key id, 8 of time, 64 of signature.
  const auto line = parse_note(note).value().signatures[1];
  auto bytes = base64_decode(line.base64).value();
  ASSERT_EQ(bytes.size(), 76U);
  EXPECT_EQ(hex_encode(std::span(bytes).subspan(4, 8)), "00000000641850cb");
  // Another time is another statement.
  bytes[11] ^= 1;
  std::string changed = note;
  changed.replace(changed.find(line.base64), line.base64.size(), base64_encode(bytes));
  EXPECT_EQ(verify_note(parse_note(changed).value(), keys).error().code, Errc::corrupt);
  bytes[4] = 0x80;
  changed = note;
  changed.replace(changed.find(line.base64), line.base64.size(), base64_encode(bytes));
  EXPECT_EQ(verify_note(parse_note(changed).value(), keys).error().code, Errc::corrupt);
  EXPECT_EQ(cosign_note(text, witness, std::uint64_t{1} << 63).error().code, Errc::invalid_argument);
  // The same key as a log's does not verify what was signed as a witness.
  const std::vector as_log{verifier_of(witness).value()};
  EXPECT_EQ(verify_note(parse_note(note).value(), as_log).error().code, Errc::permission_denied);
}

TEST(Note, UnknownKeysAreSkippedEvenThoseOfAKnownNameOrId) {
  const Signer log = signer("log.example", 1);
  const std::string text = "text\n";
  const VerifierKey key = verifier_of(log).value();
  const std::string good = sign_note(text, log).value();
  std::string other_id = good;
  const auto at = other_id.rfind(' ') + 1;
  auto bytes = base64_decode(std::string_view(other_id).substr(at, other_id.size() - at - 1)).value();
  bytes[0] ^= 0xFF;
  other_id = other_id.substr(0, at) + base64_encode(bytes) + "\n";
  const std::string other_name = kDash + "other.example " + good.substr(good.rfind(' ') + 1);
  EXPECT_EQ(verify_note(parse_note(make_note(text, other_id + other_name)).value(), std::vector{key}).error().code,
            Errc::permission_denied);
  EXPECT_EQ(verify_note(parse_note(make_note(text, other_id + other_name + good + good)).value(), std::vector{key})->size(), 1U);
  EXPECT_EQ(verify_note(parse_note(make_note(text, good)).value(), {}).error().code, Errc::permission_denied);
}

TEST(Note, AWrongSignatureOfAKnownKeyRefusesTheWholeNote) {
  const Signer log = signer("log.example", 1);
  const Signer second = signer("second.example", 2);
  const std::string text = "text\n";
  const std::string forged = make_note("other\n", sign_note(text, log).value() + sign_note("other\n", second).value());
  const std::vector both{verifier_of(log).value(), verifier_of(second).value()};
  EXPECT_EQ(verify_note(parse_note(forged).value(), both).error().code, Errc::corrupt);
  // Also when a right one stands before it.
  const std::string twice = make_note(text, sign_note(text, log).value() + sign_note("other\n", log).value());
  EXPECT_EQ(verify_note(parse_note(twice).value(), both).error().code, Errc::corrupt);
  // A signature cut short is wrong, not unknown.
  const std::string good = sign_note(text, log).value();
  const auto at = good.rfind(' ') + 1;
  auto bytes = base64_decode(std::string_view(good).substr(at, good.size() - at - 1)).value();
  bytes.resize(5);
  EXPECT_EQ(verify_note(parse_note(make_note(text, good.substr(0, at) + base64_encode(bytes) + "\n")).value(), both).error().code,
            Errc::corrupt);
}

TEST(Note, EverySingleByteChangeIsFound) {
  const Signer log = signer("log.example", 1);
  const std::string text = "log.example\n12\nroot\n";
  const std::string note = make_note(text, sign_note(text, log).value());
  const std::vector keys{verifier_of(log).value()};
  for (std::size_t i = 0; i < note.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string changed = note;
      changed[i] = static_cast<char>(static_cast<unsigned char>(changed[i]) ^ (1U << bit));
      const auto parsed = parse_note(changed);
      ASSERT_FALSE(parsed && verify_note(*parsed, keys)) << "byte " << i << " bit " << bit;
    }
  }
}

TEST(Note, OtherSpellingsAreRefused) {
  const std::string line = kDash + "log.example AAAAAAA=\n";
  EXPECT_TRUE(parse_note("text\n\n" + line));
  const std::vector<std::string> bad{
      "",
      "\n",
      "text",
      "text\n",
      "text\n\n",
      "\n" + line,                                   // no text before the empty line
      "text\n" + line,                               // no empty line
      "text\n\n" + line.substr(0, line.size() - 1),  // last line does not end
      "text\n\n" + line + "\n",                      // the last empty line is after the signatures
      "text\n\n" + line + "more\n",                  // a forged line
      "text\n\nmore\n" + line,                       //
      "text\r\n\r\n" + line,                         // CR LF
      "text\n\n" + line.substr(0, line.size() - 1) + "\r\n",
      "te\txt\n\n" + line,                            // a control character
      std::string("te\0xt\n\n", 7) + line,            //
      "te\xC3\n\n" + line,                            // not UTF-8
      "te\xED\xA0\x80xt\n\n" + line,                  // a surrogate
      "text\n\n- log.example AAAAAAA=\n",             // a hyphen
      "text\n\n\xE2\x80\x93 log.example AAAAAAA=\n",  // an en dash
      "text\n\n " + line,                             // a space before
      "text\n\n" + kDash + "log.example\n",           // no signature
      "text\n\n" + kDash + " AAAAAAA=\n",             // no name
      "text\n\n" + kDash + "log.example  AAAAAAA=\n",
      "text\n\n" + kDash + "log.example AAAAAAA= \n",
      "text\n\n" + kDash + "log.example AAAAAAA\n",   // no padding
      "text\n\n" + kDash + "log.example AAAAAAB=\n",  // stray bits
      "text\n\n" + kDash + "log.example AAAA_AA=\n",  // the other alphabet
      "text\n\n" + kDash + "log.example AAAAAA==\n",  // a key id and nothing else
      "text\n\n" + kDash + "log+example AAAAAAA=\n",  // a plus
      "text\n\n" + kDash +
          "log\xC2\xA0"
          "example AAAAAAA=\n",  // a no-break space
      "text\n\n" + kDash +
          "log\xE3\x80\x80"
          "example AAAAAAA=\n",  // an ideographic space
  };
  for (const auto& note : bad) {
    const auto parsed = parse_note(note);
    ASSERT_FALSE(parsed) << note;
    EXPECT_EQ(parsed.error().code, Errc::corrupt);
    EXPECT_TRUE(is_plain_text(parsed.error().message)) << parsed.error().message;
  }
  EXPECT_NE(parse_note("a\nb\n\n" + line + "more\n").error().message.find("line 5"), std::string::npos);
}

TEST(Note, SignaturesAreLimitedButNotBelowWhatTheSpecificationAsks) {
  const std::string line = kDash + "a AAAAAAA=\n";
  const auto with = [&](std::size_t count) {
    std::string note = "text\n\n";
    for (std::size_t i = 0; i < count; ++i) note += line;
    return note;
  };
  EXPECT_EQ(parse_note(with(16)).value().signatures.size(), 16U);
  EXPECT_EQ(parse_note(with(kMaxNoteSignatures)).value().signatures.size(), kMaxNoteSignatures);
  EXPECT_NE(parse_note(with(kMaxNoteSignatures + 1)).error().message.find("more than 1000 signatures"), std::string::npos);
  EXPECT_FALSE(parse_note(with(100'000)));
  // 16 post-quantum signatures of 5 kB each.
  std::string large = "text\n\n";
  for (int i = 0; i < 16; ++i) large += kDash + "a " + base64_encode(Bytes(5'000, 1)) + "\n";
  EXPECT_TRUE(parse_note(large));
  EXPECT_NE(parse_note(std::string(kMaxNoteBytes, 'a') + "\n\n" + line).error().message.find("larger"), std::string::npos);
}

TEST(Note, WhatCannotBeInANoteIsNotSigned) {
  const Signer log = signer("log.example", 1);
  for (const std::string text : {"", "no newline", "a\r\n", "a\x01\n", "\xFF\n"}) {
    EXPECT_EQ(sign_note(text, log).error().code, Errc::invalid_argument);
    EXPECT_EQ(cosign_note(text, log, 1).error().code, Errc::invalid_argument);
  }
  for (const char* name : {"", "a b", "a+b", "a\n", "a\xE2\x80\xA8"}) {
    EXPECT_EQ(sign_note("a\n", signer(name, 1)).error().code, Errc::invalid_argument) << name;
  }
}

TEST(VerifierKeys, OtherSpellingsAreRefused) {
  const std::string good = kExampleKey;
  for (const std::string& text : std::vector<std::string>{
           "", "+", "++", "example.com/foo", "example.com/foo+530d903a", "example.com/foo+530d903a+",
           "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", good + "=", good + "\n", " " + good,
           "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
           "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
           "example.com/bar+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
           "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2l", "example.com/foo+530d903+AekyeRrm",
           "example.com/foo+530d903a+AekyeRrm", std::string(2U << 20U, 'a') + good}) {
    const auto key = parse_vkey(text);
    ASSERT_FALSE(key) << text.substr(0, 100);
    EXPECT_EQ(key.error().code, Errc::invalid_argument);
  }
  EXPECT_EQ(parse_vkey("a+00000000+" + base64_encode(Bytes(33, 2))).error().code, Errc::unsupported);
  EXPECT_EQ(parse_vkey("a+00000000+" + base64_encode(Bytes(1313, 6))).error().code, Errc::unsupported);
}

TEST(VerifierKeys, ReadBackEvenWithPlusInTheirBase64) {
  std::mt19937_64 random(3);
  int with_plus = 0;
  for (int i = 0; i < 300; ++i) {
    VerifierKey key{"log.example/" + std::to_string(i), i % 2 == 0 ? KeyType::ed25519 : KeyType::cosignature_v1, {}};
    for (auto& byte : key.key) byte = static_cast<std::uint8_t>(random());
    const std::string text = to_vkey(key);
    if (std::count(text.begin(), text.end(), '+') > 2) ++with_plus;
    const auto read = parse_vkey(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(*read, key);
  }
  EXPECT_GT(with_plus, 0);
}

TEST(Ed25519, KeysReadBackFromPem) {
  const auto seed = generate_ed25519().value();
  const auto pem = ed25519_to_pem(seed).value();
  EXPECT_TRUE(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
  EXPECT_EQ(ed25519_from_pem(pem).value(), seed);
  EXPECT_EQ(ed25519_from_pem("nonsense").error().code, Errc::invalid_argument);
  EXPECT_EQ(ed25519_from_pem(pem + std::string(20'000, '\n')).error().code, Errc::invalid_argument);
}

// RFC 8032 section 7.1, test 2.
TEST(Ed25519, SignsAsTheStandardSays) {
  const auto seed_bytes = hex_decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").value();
  const Secret32 seed{std::span<const std::uint8_t, 32>(seed_bytes)};
  EXPECT_EQ(hex_encode(ed25519_public(seed).value()), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  const Bytes message{0x72};
  const auto signature = ed25519_sign(seed, message).value();
  EXPECT_EQ(hex_encode(signature),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  EXPECT_TRUE(ed25519_verify(ed25519_public(seed).value(), message, signature));
  EXPECT_FALSE(ed25519_verify(ed25519_public(seed).value(), Bytes{0x73}, signature));
  EXPECT_FALSE(ed25519_verify({}, message, std::span(signature).first(63)));
}

}  // namespace
}  // namespace sanad::audit
