#include "control/service/log_registrations.hpp"

#include <gtest/gtest.h>

#include "control/audit/key_statement.hpp"
#include "control/audit/log_reader.hpp"
#include "control/registration/signature.hpp"
#include "gateway/base/durable_file.hpp"
#include "tests/unit/registration/support.hpp"
#include "tests/unit/service/support.hpp"

namespace sanad::service {
namespace {

namespace fs = std::filesystem;

class LogRegistrationsTest : public ::testing::Test {
 protected:
  // The next certificate, by the same key, installed by record `from`.
  void install(std::uint64_t from) {
    const std::int64_t begin = 1'795'510'800'000 + static_cast<std::int64_t>(from) * 1000;
    const auto pem = registration::issue_self(registration::testing::example_claims(), *key_,
                                              {WallTime::from_ms(begin), WallTime::from_ms(begin + 86'400'000)});
    ASSERT_TRUE(pem) << pem.error().message;
    ledger::RegistrationRecord record;
    record.certificate_pem = *pem;
    record.from_index = from;
    what_.installed.push_back(std::move(record));
  }
  void begin_epoch(std::uint64_t first) {
    const auto seed = audit::generate_ed25519().value();
    const auto vkey = audit::to_vkey(audit::verifier_of(audit::Signer{"sanad/gw-1", seed}).value());
    what_.epochs.push_back({what_.epochs.size() + 1, vkey, first});
  }
  std::size_t write() {
    auto written = write_log_registrations(what_);
    EXPECT_TRUE(written) << written.error().message;
    return written ? *written : 99;
  }
  [[nodiscard]] std::string text(const std::string& name) const { return read_file(directory_.path() / name, 100'000).value(); }
  [[nodiscard]] bool there(const std::string& name) const { return fs::exists(directory_.path() / name); }

  testing::TempDirectory directory_;
  std::shared_ptr<const registration::PrivateKeyPem> key_ =
      std::make_shared<registration::PrivateKeyPem>(registration::generate_key(registration::KeyAlgorithm::ecdsa_p256).value());
  LogRegistrations what_{directory_.path(), {}, key_, {}};
};

TEST_F(LogRegistrationsTest, EachKeyIsSignedOnceByWhatIsInForceWhileItSigns) {
  begin_epoch(0);
  EXPECT_EQ(write(), 0U);
  install(5);
  EXPECT_EQ(write(), 1U);
  const auto first = text("registrations/5.epoch-1.sig");
  begin_epoch(100);
  EXPECT_EQ(write(), 1U);
  install(150);
  EXPECT_EQ(write(), 1U) << "a new certificate signs the key in force";
  begin_epoch(200);
  EXPECT_EQ(write(), 1U);
  EXPECT_EQ(write(), 0U);
  EXPECT_EQ(text("registrations/5.epoch-1.sig"), first) << "ECDSA never makes the same signature twice";
  for (const char* name : {"5.epoch-1", "5.epoch-2", "150.epoch-2", "150.epoch-3"}) {
    EXPECT_TRUE(there(std::string("registrations/") + name + ".txt")) << name;
    EXPECT_TRUE(there(std::string("registrations/") + name + ".sig")) << name;
  }
  for (const char* name : {"5.epoch-3", "150.epoch-1"})
    EXPECT_FALSE(there(std::string("registrations/") + name + ".txt")) << name;
  EXPECT_EQ(text("registrations/5.pem"), what_.installed[0].certificate_pem);
  EXPECT_EQ(text("registration.pem"), "in force from record 150 on\n" + what_.installed[1].certificate_pem);
  const auto statement = text("registrations/150.epoch-3.txt");
  EXPECT_EQ(statement, "sanad/log-key/v1\nsanad/gw-1\nepoch 3\nfirst 200\nkey " + what_.epochs[2].vkey + "\n");
  const auto signature = text("registrations/150.epoch-3.sig");
  EXPECT_TRUE(registration::check_text_signature(what_.installed[1].certificate_pem, statement, as_bytes(signature)));
  EXPECT_EQ(
      registration::check_text_signature(what_.installed[1].certificate_pem, statement + "x", as_bytes(signature)).error().code,
      Errc::refused_by_policy);
}

TEST_F(LogRegistrationsTest, WithoutItsKeyARegistrationIsKeptAndSignsNothing) {
  begin_epoch(0);
  install(5);
  what_.key = nullptr;
  EXPECT_EQ(write(), 0U);
  EXPECT_TRUE(there("registrations/5.pem"));
  what_.key =
      std::make_shared<registration::PrivateKeyPem>(registration::generate_key(registration::KeyAlgorithm::ed25519).value());
  EXPECT_EQ(write(), 0U) << "another key than the certificate's";
  what_.key = key_;
  EXPECT_EQ(write(), 1U);
}

}  // namespace
}  // namespace sanad::service
