// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <vtsim/report.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/error.h"

namespace vtsim {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const Statistics sample{{
    {"sim.instructions", std::uint64_t{1234567}, "instructions", "instructions retired"},
    {"sim.seconds", 0.1, "seconds", "simulated time, \"exact\""},
    {"cpu0.zero", std::uint64_t{0}, "events", "none, never"},
    {"cpu0.latency", std::vector<std::uint64_t>{5, 6, 7, 8}, "cycles", "latency"},
    {"cpu0.largest", ~std::uint64_t{0}, "events", "all bits"},
}};

TEST(JsonReport, HasSchemaConfigurationNumbersAndTheirMeaning) {
    const auto json = boost::json::parse(report(sample, R"({"memory":{"size":1}})", ReportFormat::json)).as_object();
    EXPECT_EQ(json.size(), 4U);
    EXPECT_EQ(json.at("schema").as_int64(), 1);
    EXPECT_EQ(json.at("config").at("memory").at("size").as_int64(), 1);
    EXPECT_EQ(json.at("stats").at("sim.instructions").as_int64(), 1234567);
    EXPECT_EQ(json.at("stats").at("sim.seconds").as_double(), 0.1);
    EXPECT_EQ(json.at("stats").at("cpu0.largest").as_uint64(), ~std::uint64_t{0});
    EXPECT_EQ(json.at("meta").at("sim.seconds").at("description").as_string(), "simulated time, \"exact\"");
    EXPECT_EQ(json.at("meta").at("sim.seconds").at("unit").as_string(), "seconds");
    EXPECT_EQ(json.at("meta").as_object().size(), json.at("stats").as_object().size());
}

TEST(JsonReport, GivesHistogramsANumberABucket) {
    const auto json = boost::json::parse(report(sample, "{}", ReportFormat::json));
    const auto& stats = json.at("stats").as_object();
    EXPECT_FALSE(stats.contains("cpu0.latency"));
    EXPECT_EQ(stats.at("cpu0.latency.0").as_int64(), 5);
    EXPECT_EQ(stats.at("cpu0.latency.1").as_int64(), 6);
    EXPECT_EQ(stats.at("cpu0.latency.2").as_int64(), 7);
    EXPECT_EQ(stats.at("cpu0.latency.4").as_int64(), 8);
    EXPECT_EQ(json.at("meta").at("cpu0.latency.2").at("description").as_string(), "latency: 2 to 3");
    EXPECT_EQ(json.at("meta").at("cpu0.latency.4").at("description").as_string(), "latency: 4 or more");
}

TEST(JsonReport, IsValidWithoutStatisticsAndWithInfinities) {
    EXPECT_TRUE(boost::json::parse(report({}, "{}", ReportFormat::json)).at("stats").as_object().empty());
    const Statistics odd{{{"x", 1.0 / 0.0, "ratio", "infinite"}}};
    EXPECT_TRUE(boost::json::parse(report(odd, "{}", ReportFormat::json)).at("stats").at("x").is_null());
}

TEST(CsvReport, QuotesWhatNeedsQuotes) {
    const auto csv = report(sample, "{}", ReportFormat::csv);
    EXPECT_THAT(csv, testing::StartsWith("name,value,unit,description\nsim.instructions,1234567,instructions,instructions retired\n"));
    EXPECT_THAT(csv, HasSubstr("sim.seconds,0.1,seconds,\"simulated time, \"\"exact\"\"\"\n"));
    EXPECT_THAT(csv, HasSubstr("cpu0.zero,0,events,\"none, never\"\n"));
}

TEST(TextReport, GroupsFiguresAndLeavesZerosOut) {
    const auto text = report(sample, "{}", ReportFormat::text);
    EXPECT_THAT(text, AllOf(HasSubstr("sim\n  instructions "), HasSubstr("1 234 567"), HasSubstr("\n\ncpu0.latency\n"), Not(HasSubstr("none, never")), HasSubstr("1 figures are zero")));
}

TEST(ReportFormat, FollowsFromTheNameOfTheFile) {
    EXPECT_EQ(report_format_of("a/b.json"), ReportFormat::json);
    EXPECT_EQ(report_format_of("b.csv"), ReportFormat::csv);
    EXPECT_EQ(report_format_of("b.txt"), ReportFormat::text);
    EXPECT_THROW(static_cast<void>(report_format_of("b.xml")), InputError);
}

struct ReportFile : testing::Test {
    const std::filesystem::path directory = std::filesystem::temp_directory_path() / ("vtsim_report_test_" + std::to_string(getpid()));
    void SetUp() override { std::filesystem::create_directories(directory); }
    void TearDown() override { std::filesystem::remove_all(directory); }
};

TEST_F(ReportFile, ReplacesTheOldOneAndLeavesNothingElse) {
    const auto path = directory / "stats.json";
    write_file(path, "old and long");
    write_file(path, "new");
    std::ifstream file(path);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "new");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory), {}), 1);
}

TEST_F(ReportFile, SaysWhatIsWrongWhenItCannotBeWritten) {
    EXPECT_THROW(write_file(directory / "missing" / "stats.json", "x"), InputError);
    std::filesystem::create_directory(directory / "is_a_directory.json");
    EXPECT_THROW(write_file(directory / "is_a_directory.json", "x"), InputError);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory), {}), 1);
}

}  // namespace
}  // namespace vtsim
