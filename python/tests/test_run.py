# SPDX-License-Identifier: Apache-2.0
import os
import signal
import threading
import time

import pytest

import vtsim
from conftest import leave, say

FOREVER = b"\xeb\xfe"  # jmp itself


def test_a_run_returns_status_serial_text_and_statistics(image):
    result = vtsim.run(image(say(b"hello") + leave(0x10)))
    assert (result.status, result.reason, result.serial) == (0x21, "guest_exit", "hello")
    assert result.stats["sim.instructions"] == 1 + 2 * 5 + 2
    assert result.meta["sim.instructions"]["unit"] == "instructions"


def test_runs_in_one_process_are_independent_and_identical(image):
    path = image(say(b"x") + leave(0))
    runs = [vtsim.run(path, mode="timing") for _ in range(3)]
    counted = [{name: value for name, value in run.stats.items() if not name.startswith("host.")} for run in runs]
    assert counted[0] == counted[1] == counted[2]
    assert [run.serial for run in runs] == ["x"] * 3


def test_settings_reach_the_machine_and_the_result(image):
    result = vtsim.run(image(leave(0)), {"memory.size": "64M", "bus": {"dmi": False}})
    assert result.config["memory"]["size"] == 64 << 20
    assert result.config["bus"]["dmi"] is False


def test_a_limit_ends_a_run_that_can_go_on(image):
    machine = vtsim.Machine()
    machine.load(image(FOREVER))
    assert machine.run(max_instructions=1000).status == 6
    assert machine.run(max_instructions=500).stats["sim.instructions"] == 1500


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (lambda path: vtsim.run(path.parent / "missing.elf"), "missing.elf"),
        (lambda path: vtsim.run(path, {"memory.sice": 1}), "did you mean 'memory.size'"),
        (lambda path: vtsim.run(path, "brodwell"), "did you mean 'broadwell'"),
        (lambda path: vtsim.run(path, mode="fast"), "functional, warm or timing"),
    ],
)
def test_bad_input_is_one_line(image, action, text):
    with pytest.raises(vtsim.InputError, match=text) as error:
        action(image(leave(0)))
    assert "\n" not in str(error.value)


def test_other_threads_run_meanwhile(image):
    ticks = []

    def tick():
        for _ in range(5):
            ticks.append(1)
            time.sleep(0.01)

    thread = threading.Thread(target=tick)
    thread.start()
    vtsim.run(image(FOREVER), max_instructions=100_000_000)
    thread.join()
    assert len(ticks) == 5


def test_ctrl_c_ends_a_run(image):
    machine = vtsim.Machine()
    machine.load(image(FOREVER))
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        machine.run()
    timer.join()
    before = machine.statistics()["sim.instructions"]
    assert machine.run(max_instructions=10).stats["sim.instructions"] == before + 10


def test_memory_can_be_read_and_written(image):
    machine = vtsim.Machine()
    machine.write_memory(0x200000, b"abc")
    assert machine.read_memory(0x200000, 3) == b"abc"


def test_a_configuration_behaves_as_a_mapping():
    config = vtsim.Config("broadwell:ideal", {"machine.cpus": 2})
    assert config["machine.cpus"] == 2
    assert config["vmx_cost.exit_base"] == 0
    assert "# " in config.listing()
    with pytest.raises(KeyError):
        config["no.such"]
    assert "broadwell" in vtsim.preset_names()["features"]


def test_the_region_of_interest_can_be_timed_and_reported_alone(image):
    begin, end = (b"\x0f\x1f\x80" + bytes([function]) + b"\x00\x54\x56" for function in (1, 2))  # vtsim/guest/magic.h
    code = say(b"x") + begin + b"\x90\x90" + end + say(b"y") + leave(0)
    result = vtsim.run(image(code), {"machine.roi_mode": "timing", "machine.roi_stats": True})
    assert result.stats["cpu0.instructions"] == result.stats["cpu0.instructions_by_mode.timing"] == 3
