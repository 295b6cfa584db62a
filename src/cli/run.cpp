// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>
#include <vtsim/config.h>
#include <vtsim/error.h>
#include <vtsim/machine.h>
#include <vtsim/report.h>

#include <boost/json/serialize.hpp>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/summary.h"

namespace vtsim::cli {
namespace {

namespace po = boost::program_options;
using Words = std::vector<std::string>;

struct Interrupted {};
volatile std::sig_atomic_t interrupt_requested = 0;
extern "C" void vtsim_request_interrupt(int) { interrupt_requested = 1; }
constexpr int interrupted_status = 130;               // as shells report SIGINT

po::options_description run_options() {
    po::options_description options("The run");
    options.add_options()
        ("help,h", "show this")
        ("cmdline", po::value<std::string>()->default_value("")->value_name("TEXT"), "command line of the image")
        ("initrd", po::value<std::string>()->default_value("")->value_name("FILE"), "initial RAM disk; the first module of a multiboot image")
        ("module", po::value<Words>()->value_name("FILE[=CMDLINE]"), "multiboot module with its command line; may be repeated")
        ("max-instructions", po::value<std::string>()->value_name("N"), "stop after N instructions of all processors together")
        ("max-seconds", po::value<std::string>()->value_name("T"), "stop after T seconds of simulated time")
        ("stats", po::value<Words>()->value_name("FILE"), "write the statistics at the end: .json, .csv or .txt; may be repeated")
        ("serial", po::value<std::string>()->value_name("FILE"), "write what the guest sends to its serial port there, not to standard output")
        ("forms", po::value<std::string>()->value_name("FILE"), "write the forms of the instructions that the processors decoded, one a line with how often")
        ("trace", po::value<std::string>()->value_name("FILE"), "timeline for Perfetto or Chrome (not available in this version)")
        ("report", "a summary on standard error, also when that is no terminal")
        ("quiet,q", "no progress, no summary, no log");
    return options;
}

template <class Number>
Number number_of(const po::variables_map& values, const std::string& option, const char* expected) {
    if (values.count(option) == 0) return 0;
    const auto text = values[option].as<std::string>();
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || !(number > 0)) throw InputError("--" + option + " '" + text + "': expected " + expected);
    return number;
}

Image image_of(const po::variables_map& values) {
    if (values.count("image") == 0) throw InputError("run: expected an image: a multiboot ELF file or a flat binary");
    Image image{.path = values["image"].as<std::string>(), .command_line = values["cmdline"].as<std::string>(), .initrd = values["initrd"].as<std::string>(), .modules = {}};
    if (values.count("module") == 0) return image;
    for (const auto& text : values["module"].as<Words>()) {
        const auto equals = text.find('=');
        image.modules.push_back({text.substr(0, equals), equals == std::string::npos ? "" : text.substr(equals + 1)});
    }
    return image;
}

// Files to be written at the end are found wanting before the run.
void check_output_file(const std::string& option, const std::string& file) {
    const auto path = std::filesystem::path(file), directory = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
    std::error_code ignored;
    if (!std::filesystem::is_directory(directory, ignored)) throw InputError(option + " '" + file + "': expected a directory that exists");
    if (access(directory.c_str(), W_OK) != 0) throw InputError(option + " '" + file + "': expected a directory that can be written");
    if (std::filesystem::is_directory(path, ignored)) throw InputError(option + " '" + file + "': is a directory: expected a file");
}

Words stats_files(const po::variables_map& values) {
    if (values.count("stats") == 0) return {};
    auto files = values["stats"].as<Words>();
    for (const auto& file : files) {
        static_cast<void>(report_format_of(file));
        check_output_file("--stats", file);
    }
    return files;
}

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

// One run of the program: what goes where.
class Session {
public:
    explicit Session(const po::variables_map& values)
        : config_{config_of(values)},
          stats_files_{stats_files(values)},
          limits_{.instructions = number_of<std::uint64_t>(values, "max-instructions", "a number of instructions"),
                  .seconds = number_of<double>(values, "max-seconds", "a number of seconds")},
          quiet_{values.count("quiet") != 0},
          show_progress_{!quiet_ && isatty(STDERR_FILENO) != 0},
          show_summary_{values.count("report") != 0 || show_progress_} {
        if (values.count("trace") != 0) throw InputError("--trace: this version has no timeline traces; expected no such option");
        const auto image = image_of(values);
        if (values.count("forms") != 0) {
            forms_file_ = values["forms"].as<std::string>();
            check_output_file("--forms", forms_file_);
            config_.set("engine.record_forms", "true");
        }
        machine_ = std::make_unique<Machine>(config_);
        machine_->load(image);
        open_serial(values);                // the last thing that can fail: what is bad input leaves no file behind
        connect();
    }

    int run() {
        std::signal(SIGINT, vtsim_request_interrupt);
        RunResult result;
        try {
            result = machine_->run(limits_);
        } catch (const Interrupted&) {
            result = {StopReason::limit, interrupted_status, "interrupted", {}};
        }
        clear_progress();
        if (!quiet_ && config_.get("machine.roi_stats").as_bool() && !machine_->region_seen())
            std::fputs("vtsim: --stats-roi: the guest has marked no region of interest; the statistics are those of the whole run\n", stderr);
        write_statistics();
        write_forms();
        if (!result.dump.empty()) std::fprintf(stderr, "%s\n", result.dump.c_str());
        if (show_summary_) std::fputs(summary(result, machine_->statistics()).c_str(), stderr);
        else if (!quiet_ && result.status != 0 && result.reason != StopReason::guest_exit) std::fprintf(stderr, "vtsim: %s\n", result.message.c_str());
        check_serial();
        return result.status;
    }

private:
    void open_serial(const po::variables_map& values) {
        if (values.count("serial") == 0) return;
        const auto path = values["serial"].as<std::string>();
        serial_file_.reset(std::fopen(path.c_str(), "wb"));
        if (serial_file_ == nullptr) throw InputError("--serial '" + path + "': expected a file that can be written");
        serial_ = serial_file_.get();
        serial_name_ = "--serial '" + path + "'";
    }

    // The only place that asks whether all of it arrived: a full disk is not found out a byte at a time.
    void check_serial() const {
        if (std::fflush(serial_) != 0 || std::ferror(serial_) != 0) throw InputError(serial_name_ + ": what the guest sent could not all be written: expected room for it");
    }

    void connect() {
        machine_->on_serial([this](std::string_view text) {
            if (serial_ == stdout) clear_progress();
            std::fwrite(text.data(), 1, text.size(), serial_);
            if (text.find('\n') != std::string_view::npos) std::fflush(serial_);
        });
        machine_->on_log([this](std::string_view text) {
            if (quiet_) return;
            clear_progress();
            std::fprintf(stderr, "vtsim: %.*s\n", static_cast<int>(text.size()), text.data());
        });
        machine_->on_progress([this](const Progress& progress) {
            if (interrupt_requested != 0) throw Interrupted{};
            if (!show_progress_) return;
            std::fprintf(stderr, "\r\033[K%s", progress_line(progress).c_str());
            progress_shown_ = true;
        });
        machine_->on_guest_request([this](GuestRequest request, std::uint64_t) {
            if (request == GuestRequest::dump_statistics) write_statistics();
        });
    }

    void clear_progress() {
        if (progress_shown_) std::fputs("\r\033[K", stderr);
        progress_shown_ = false;
    }

    void write_statistics() const {
        for (const auto& file : stats_files_) write_file(file, report(machine_->statistics(), boost::json::serialize(config_.json()), report_format_of(file)));
    }

    void write_forms() const {
        if (forms_file_.empty()) return;
        std::string text;
        for (const auto& [form, count] : machine_->recorded_forms()) text += std::to_string(count) + ' ' + form + '\n';
        write_file(forms_file_, text);
    }

    Config config_;
    std::string forms_file_;
    Words stats_files_;
    RunLimits limits_;
    bool quiet_;
    bool show_progress_;
    bool show_summary_;
    bool progress_shown_ = false;
    std::unique_ptr<std::FILE, CloseFile> serial_file_;
    std::FILE* serial_ = stdout;
    std::string serial_name_ = "standard output";
    std::unique_ptr<Machine> machine_;
};

}  // namespace

int run(const Arguments& arguments) {
    auto visible = run_options();
    visible.add(machine_options());
    po::options_description all;
    all.add(visible).add_options()("image", po::value<std::string>());
    const auto values = parse(arguments, all, po::positional_options_description{}.add("image", 1));
    if (values.count("help") != 0) {
        std::cout << "usage: vtsim run IMAGE [OPTIONS]\n\n" << visible << "\nStatus: (v << 1) | 1 when the guest writes v to port 0xf4, 0 a clean end, 2 bad input, 4 triple fault\nor VMX abort, 6 a limit was reached, 8 every processor halted for good.\n";
        return 0;
    }
    return Session(values).run();
}

}  // namespace vtsim::cli
