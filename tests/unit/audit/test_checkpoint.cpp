#include <gtest/gtest.h>

#include "control/audit/checkpoint.hpp"
#include "control/audit/proof.hpp"
#include "gateway/base/encoding.hpp"
#include "tests/unit/audit/rfc6962.hpp"

namespace sanad::audit {
namespace {

Signer signer(const std::string& name, std::uint8_t fill) {
  std::array<std::uint8_t, 32> seed{};
  seed.fill(fill);
  return {name, Secret32(seed)};
}

constexpr const char* kText = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

TEST(Checkpoint, TheSpecificationsExampleReads) {
  const auto checkpoint = parse_checkpoint(kText);
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_EQ(checkpoint->origin, "example.com/behind-the-sofa");
  EXPECT_EQ(checkpoint->size, 20'852'163U);
  EXPECT_TRUE(checkpoint->extensions.empty());
  EXPECT_EQ(checkpoint_text(*checkpoint), kText);
  const auto extended = parse_checkpoint(std::string(kText) + "one\ntwo\n").value();
  EXPECT_EQ(extended.extensions, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(checkpoint_text(extended), std::string(kText) + "one\ntwo\n");
}

TEST(Checkpoint, OtherSpellingsAreRefused) {
  const std::string root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
  for (const std::string& text : std::vector<std::string>{"",
                                                          "o",
                                                          "o\n",
                                                          "o\n1",
                                                          "o\n1\n",
                                                          "o\n1\n" + root.substr(0, root.size() - 1),
                                                          "\n1\n" + root,
                                                          "o\n\n" + root,
                                                          "o\n01\n" + root,
                                                          "o\n+1\n" + root,
                                                          "o\n-1\n" + root,
                                                          "o\n 1\n" + root,
                                                          "o\n1 \n" + root,
                                                          "o\n0x1\n" + root,
                                                          "o\n1.0\n" + root,
                                                          "o\n00\n" + root,
                                                          "o\n9223372036854775808\n" + root,
                                                          "o\n18446744073709551617\n" + root,
                                                          "o\n" + std::string(100'000, '9') + "\n" + root,
                                                          "o\n1\nAAAA\n",
                                                          "o\n1\n" + root + "\n",
                                                          "o\n1\n" + root + "ext",
                                                          "o\n0\n" + root,
                                                          "o\n1\n \n"}) {
    const auto checkpoint = parse_checkpoint(text);
    ASSERT_FALSE(checkpoint) << text.substr(0, 200);
    EXPECT_EQ(checkpoint.error().code, Errc::corrupt);
    EXPECT_NE(checkpoint.error().message.find("line "), std::string::npos);
  }
  EXPECT_TRUE(parse_checkpoint("o\n9223372036854775807\n" + root));
  EXPECT_TRUE(parse_checkpoint("o\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"));
}

TEST(Checkpoint, OnlyALogsOwnKeyOpensIt) {
  const Signer log = signer("sanad/gw-1", 1);
  const Signer other = signer("sanad/gw-2", 2);
  const Signer witness = signer("witness.example", 3);
  const Checkpoint tree{"sanad/gw-1", 3, leaf_hash({}), {}};
  const auto log_key = verifier_of(log).value();
  const auto note = sign_checkpoint(tree, log).value();
  EXPECT_EQ(open_checkpoint(note, std::vector{log_key}).value().checkpoint, tree);
  // Signed by a known key, yet not by one of the log it names.
  const auto borrowed = sign_checkpoint(tree, other).value();
  const std::vector keys{log_key, verifier_of(other).value()};
  EXPECT_EQ(open_checkpoint(borrowed, keys).error().code, Errc::permission_denied);
  // A witness alone does not make a checkpoint.
  const std::string text = checkpoint_text(tree);
  const std::vector witnesses{verifier_of(witness, KeyType::cosignature_v1).value()};
  const auto only_witnessed = make_note(text, cosign_note(text, witness, 5).value());
  EXPECT_EQ(open_checkpoint(only_witnessed, std::vector{log_key}, witnesses).error().code, Errc::permission_denied);
  const auto witnessed = open_checkpoint(note + cosign_note(text, witness, 5).value(), std::vector{log_key}, witnesses);
  ASSERT_TRUE(witnessed) << witnessed.error().message;
  ASSERT_EQ(witnessed->signatures.size(), 2U);
  EXPECT_EQ(witnessed->signatures[1].key, 1U);
  EXPECT_EQ(witnessed->signatures[1].timestamp, 5U);
  // A witness's signature that is wrong refuses it all.
  const auto forged = note + cosign_note("other\n", witness, 5).value();
  EXPECT_EQ(open_checkpoint(forged, std::vector{log_key}, witnesses).error().code, Errc::corrupt);
}

struct Proven {
  Signer log = signer("sanad/gw-1", 1);
  std::vector<std::string> entries{"zero", "one", "two", "three", "four"};
  LogProof proof;
  std::vector<VerifierKey> keys{verifier_of(log).value()};

  Proven() {
    proof.index = 2;
    proof.hashes = rfc6962::path(2, entries);
    proof.checkpoint = sign_checkpoint({"sanad/gw-1", 5, rfc6962::mth(entries), {}}, log).value();
  }
};

TEST(Proof, ReadsBackAndProves) {
  Proven p;
  for (const bool with_extra : {false, true}) {
    if (with_extra) p.proof.extra = Bytes{1, 2, 3, 4};
    const std::string text = proof_text(p.proof);
    const auto read = parse_proof(text);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, p.proof);
    EXPECT_EQ(proof_text(*read), text);
    const auto opened = check_proof(*read, leaf_hash(as_bytes("two")), p.keys);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->checkpoint.size, 5U);
    EXPECT_EQ(check_proof(*read, leaf_hash(as_bytes("three")), p.keys).error().code, Errc::corrupt);
    EXPECT_EQ(check_proof(*read, leaf_hash(as_bytes("two")), {}).error().code, Errc::permission_denied);
  }
  EXPECT_TRUE(proof_text(p.proof).starts_with("c2sp.org/tlog-proof@v1\nextra AQIDBA==\nindex 2\n"));
}

TEST(Proof, OtherSpellingsAreRefused) {
  const Proven p;
  const std::string good = proof_text(p.proof);
  const std::string head = "c2sp.org/tlog-proof@v1\n";
  const std::string hash = base64_encode(empty_root()) + "\n";
  std::string many = head + "index 2\n";
  for (int i = 0; i < 10'000; ++i) many += hash;
  std::string sixty_three = head + "index 2\n";
  for (int i = 0; i < 63; ++i) sixty_three += hash;
  EXPECT_TRUE(parse_proof(sixty_three + "\nnote"));
  for (const std::string& text : std::vector<std::string>{"",
                                                          "c2sp.org/tlog-proof@v2\n" + good.substr(head.size()),
                                                          "c2sp.org/tlog-proof@v1\r\n" + good.substr(head.size()),
                                                          head,
                                                          head + "index 2",
                                                          head + "index 2\n",
                                                          head + "index 2\n\n",
                                                          head + "index 02\n\nnote",
                                                          head + "index -1\n\nnote",
                                                          head + "index\n\nnote",
                                                          head + "Index 2\n\nnote",
                                                          head + "index 9223372036854775807\n\nnote",
                                                          head + "index 99999999999999999999999\n\nnote",
                                                          head + "index  2\n\nnote",
                                                          head + "extra !\nindex 2\n\nnote",
                                                          head + "extra AQ==\nextra AQ==\nindex 2\n\nnote",
                                                          head + "index 2\nAAAA\n\nnote",
                                                          head + "index 2\n" + hash + " \nnote",
                                                          head + "index 2\n" + hash.substr(0, 44) + "\r\n\nnote",
                                                          many + "\nnote",
                                                          sixty_three + hash + "\nnote",
                                                          head + "extra " + std::string(400'000, 'A') + "\nindex 2\n\nnote",
                                                          head + "index 2\n\n" + std::string(2U << 20U, 'a')}) {
    const auto proof = parse_proof(text);
    ASSERT_FALSE(proof) << text.substr(0, 200);
    EXPECT_EQ(proof.error().code, Errc::corrupt);
    EXPECT_NE(proof.error().message.find("line "), std::string::npos);
  }
}

TEST(Proof, CarriesTheRecordAndWhatIsDisclosed) {
  const ProofRecord record{R"({"i":2})", {"WyJzYWx0Il0", "WyJvdGhlciJd"}};
  const auto read = parse_proof_extra(proof_extra(record));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->leaf, record.leaf);
  EXPECT_EQ(read->disclosures, record.disclosures);
  EXPECT_EQ(parse_proof_extra(as_bytes("leaf")).value().leaf, "leaf");
  for (const std::string& bad :
       std::vector<std::string>{"", "\nWyJz", "leaf\n", "leaf\n\nWyJz", "leaf\nno base64!", std::string(70'000, 'a')}) {
    EXPECT_EQ(parse_proof_extra(as_bytes(bad)).error().code, Errc::corrupt) << bad.substr(0, 50);
  }
}

}  // namespace
}  // namespace sanad::audit
