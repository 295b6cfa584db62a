// SPDX-License-Identifier: Apache-2.0
#include <vtsim/report.h>

#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/types.h"

namespace vtsim {
namespace {

// A report has numbers only: a histogram becomes a figure a bucket, named after its least value: "latency.0", ".1", ".2", ".4", ...
std::vector<Statistic> flat(const Statistics& statistics) {
    std::vector<Statistic> figures;
    for (const auto& figure : statistics) {
        const auto* buckets = std::get_if<std::vector<u64>>(&figure.value);
        if (buckets == nullptr) {
            figures.push_back(figure);
            continue;
        }
        for (std::size_t k = 0; k < buckets->size(); ++k) {
            const u64 least = k == 0 ? 0 : u64{1} << (k - 1);
            const auto range = k + 1 == buckets->size() && k > 0 ? fmt::format("{} or more", least) : least < 2 ? fmt::format("{}", least) : fmt::format("{} to {}", least, 2 * least - 1);
            figures.push_back({fmt::format("{}.{}", figure.name, least), (*buckets)[k], figure.unit, figure.description + ": " + range});
        }
    }
    return figures;
}

// Shortest text that reads back as the same number; JSON has no infinities.
std::string number(const Statistic& figure, const char* not_finite) {
    if (const auto* count = std::get_if<u64>(&figure.value)) return std::to_string(*count);
    const double real = std::get<double>(figure.value);
    return std::isfinite(real) ? fmt::format("{}", real) : not_finite;
}

std::string json_text(std::string_view text) { return boost::json::serialize(boost::json::string_view(text.data(), text.size())); }

std::string json_report(const std::vector<Statistic>& figures, std::string_view config_json) {
    std::string stats, meta;
    for (const auto& figure : figures) {
        const auto* separator = stats.empty() ? "\n" : ",\n";
        stats += fmt::format("{}    {}: {}", separator, json_text(figure.name), number(figure, "null"));
        meta += fmt::format("{}    {}: {{\"unit\": {}, \"description\": {}}}", separator, json_text(figure.name), json_text(figure.unit), json_text(figure.description));
    }
    return fmt::format("{{\n  \"schema\": 1,\n  \"config\": {},\n  \"stats\": {{{}\n  }},\n  \"meta\": {{{}\n  }}\n}}\n", config_json, stats, meta);
}

// RFC 4180.
std::string csv_field(const std::string& text) {
    if (text.find_first_of(",\"\n") == std::string::npos) return text;
    std::string field = "\"";
    for (const char c : text) field += c == '"' ? std::string("\"\"") : std::string(1, c);
    return field + '"';
}

std::string csv_report(const std::vector<Statistic>& figures) {
    std::string text = "name,value,unit,description\n";
    for (const auto& figure : figures)
        text += csv_field(figure.name) + ',' + number(figure, "") + ',' + csv_field(figure.unit) + ',' + csv_field(figure.description) + '\n';
    return text;
}

bool is_zero(const Statistic& figure) {
    const auto* count = std::get_if<u64>(&figure.value);
    return count != nullptr ? *count == 0 : std::get<double>(figure.value) == 0;
}

std::string grouped(const Statistic& figure) {
    const auto* count = std::get_if<u64>(&figure.value);
    if (count == nullptr) return fmt::format("{:.6g}", std::get<double>(figure.value));
    auto digits = std::to_string(*count);
    for (auto position = static_cast<std::ptrdiff_t>(digits.size()) - 3; position > 0; position -= 3) digits.insert(static_cast<std::size_t>(position), 1, ' ');
    return digits;
}

std::string text_report(const std::vector<Statistic>& figures) {
    std::string text, group;
    std::size_t width = 0, zeros = 0;
    for (const auto& figure : figures) width = std::max(width, figure.name.size() - (figure.name.rfind('.') + 1));
    for (const auto& figure : figures) {
        if (is_zero(figure)) {
            ++zeros;
            continue;
        }
        const auto dot = figure.name.rfind('.');
        const auto path = dot == std::string::npos ? std::string{} : figure.name.substr(0, dot);
        if (path != group || text.empty()) text += (text.empty() ? "" : "\n") + path + '\n';
        group = path;
        text += fmt::format("  {:<{}}  {:>20}  {:<12}  {}\n", figure.name.substr(dot + 1), width, grouped(figure), figure.unit, figure.description);
    }
    return text + fmt::format("\n{} figures are zero and not shown.\n", zeros);
}

}  // namespace

ReportFormat report_format_of(const std::string& path) {
    if (path.ends_with(".json")) return ReportFormat::json;
    if (path.ends_with(".csv")) return ReportFormat::csv;
    if (path.ends_with(".txt")) return ReportFormat::text;
    throw InputError("statistics file '" + path + "': expected a name that ends in .json, .csv or .txt");
}

std::string report(const Statistics& statistics, std::string_view config_json, ReportFormat format) {
    const auto figures = flat(statistics);
    switch (format) {
        case ReportFormat::json: return json_report(figures, config_json);
        case ReportFormat::csv: return csv_report(figures);
        case ReportFormat::text: break;
    }
    return text_report(figures);
}

void write_file(const std::string& path, std::string_view text) {
    const auto temporary = fmt::format("{}.{}.tmp", path, getpid());
    std::ofstream file(temporary, std::ios::binary);
    file.write(text.data(), static_cast<std::streamsize>(text.size()));
    file.close();
    std::error_code error;
    if (file) std::filesystem::rename(temporary, path, error);
    if (file && !error) return;
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw InputError("cannot write '" + path + "': expected a writable file in an existing directory");
}

}  // namespace vtsim
