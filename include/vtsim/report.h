// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include <vtsim/stats.h>

// Reports: statistics for programs (JSON, CSV) and for people (text). docs/statistics.md describes the formats.
namespace vtsim {

enum class ReportFormat { json, csv, text };

// By the ending of the name: .json, .csv or .txt. InputError for others.
[[nodiscard]] ReportFormat report_format_of(const std::string& path);

// `config_json`: Config::json(); only the JSON report holds it.
[[nodiscard]] std::string report(const Statistics& statistics, std::string_view config_json, ReportFormat format);

// The whole text or nothing: writes a temporary file beside `path` and renames it. InputError when that is impossible.
void write_file(const std::string& path, std::string_view text);

}  // namespace vtsim
