# SPDX-License-Identifier: Apache-2.0
"""An x86-64 machine with Intel VT-x and VT-d, simulated.

    import vtsim
    result = vtsim.run("vmm.elf", modules=["kernel.elf"], mode="timing")
    print(result.serial, result.stats["cpu0.vmx.entries"])

A configuration is a preset name, a mapping of settings over the default preset, or a Config.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, Union

_presets = pathlib.Path(__file__).parent / "presets"
if _presets.is_dir():
    os.environ["VTSIM_PRESETS"] = os.pathsep.join(filter(None, [os.environ.get("VTSIM_PRESETS"), str(_presets)]))

from . import _core  # noqa: E402
from ._core import InputError  # noqa: E402

__all__ = ["Config", "InputError", "Machine", "Result", "preset_names", "run"]

Path = Union[str, "os.PathLike[str]"]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple)):
        return ",".join(_text(element) for element in value)
    return str(value)


class Config:
    """What a machine is built from: a preset and changes to it."""

    def __init__(self, preset: str = "broadwell", settings: Mapping[str, Any] | None = None) -> None:
        self._core = _core.Config.preset(preset)
        self.update(settings or {})

    @classmethod
    def of(cls, what: Config | Mapping[str, Any] | str | None) -> Config:
        """A configuration of its own from whatever `run` accepts as one."""
        if isinstance(what, Config):
            return what.copy()
        if isinstance(what, str):
            return cls(what)
        return cls(settings=what)

    def copy(self) -> Config:
        other = Config.__new__(Config)
        other._core = self._core.copy()
        return other

    def load_file(self, path: Path) -> None:
        self._core.load_file(os.fspath(path))

    def update(self, settings: Mapping[str, Any]) -> None:
        """Sets parameters; nested mappings are tables: {"mmu": {"stlb": {"latency": 9}}} or {"mmu.stlb.latency": 9}."""
        for key, value in settings.items():
            if isinstance(value, Mapping):
                self.update({f"{key}.{name}": inner for name, inner in value.items()})
            else:
                self[key] = value

    def __setitem__(self, key: str, value: Any) -> None:
        self._core.set(key, _text(value))

    def __getitem__(self, key: str) -> Any:
        value = self.to_dict()
        for name in key.split("."):
            if not isinstance(value, dict) or name not in value:
                raise KeyError(key)
            value = value[name]
        return value

    def to_dict(self) -> dict[str, Any]:
        return json.loads(self._core.json())

    def listing(self) -> str:
        """TOML, with a sentence for each parameter."""
        return self._core.listing()


@dataclasses.dataclass(frozen=True)
class Result:
    """How a run ended, and what it counted."""

    status: int  # as the exit status of `vtsim run`
    reason: str  # guest_exit, clean_end, triple_fault, vmx_abort, limit, halted
    message: str
    dump: str  # registers, after a triple fault or VMX abort
    serial: str  # what the guest wrote to its serial port
    stats: dict[str, float] = dataclasses.field(repr=False)
    meta: dict[str, dict[str, str]] = dataclasses.field(repr=False)  # unit and description of each
    config: dict[str, Any] = dataclasses.field(repr=False)

    def to_frame(self) -> Any:
        """The statistics as a pandas data frame with the columns value, unit and description."""
        import pandas

        rows = [(value, self.meta[name]["unit"], self.meta[name]["description"]) for name, value in self.stats.items()]
        return pandas.DataFrame(rows, index=list(self.stats), columns=["value", "unit", "description"])


class Machine:
    """A simulated PC. Many can exist in one process; they run one at a time."""

    def __init__(self, config: Config | Mapping[str, Any] | str | None = None) -> None:
        self._config = Config.of(config)
        self._core = _core.Machine(self._config._core)
        self._serial = bytearray()
        self._core.on_serial(self._serial.extend)

    def load(self, image: Path, *, cmdline: str = "", initrd: Path = "", modules: Iterable[Path | tuple[Path, str]] = ()) -> None:
        pairs = [(os.fspath(m[0]), m[1]) if isinstance(m, tuple) else (os.fspath(m), "") for m in modules]
        self._core.load(os.fspath(image), cmdline, os.fspath(initrd), pairs)

    def run(self, *, max_instructions: int = 0, max_seconds: float = 0.0) -> Result:
        """Runs until something ends it, a limit of this call is reached, or Ctrl-C raises KeyboardInterrupt; may be called again after the last two."""
        end = self._core.run(max_instructions, max_seconds)
        report = json.loads(self._core.json_report(self._config._core))
        return Result(
            status=end.status, reason=end.reason, message=end.message, dump=end.dump, serial=self.serial,
            stats=report["stats"], meta=report["meta"], config=report["config"],
        )  # fmt: skip

    @property
    def serial(self) -> str:
        return self._serial.decode("utf-8", "replace")

    def serial_input(self, data: bytes) -> None:
        self._core.serial_input(data)

    def set_mode(self, mode: str) -> None:
        self._core.set_mode(mode)

    def statistics(self) -> dict[str, float]:
        return json.loads(self._core.json_report(self._config._core))["stats"]

    def reset_statistics(self) -> None:
        self._core.reset_statistics()

    def read_memory(self, address: int, size: int) -> bytes:
        return self._core.read_memory(address, size)

    def write_memory(self, address: int, data: bytes) -> None:
        self._core.write_memory(address, data)


def run(
    image: Path,
    config: Config | Mapping[str, Any] | str | None = None,
    *,
    cmdline: str = "",
    initrd: Path = "",
    modules: Iterable[Path | tuple[Path, str]] = (),
    mode: str | None = None,
    max_instructions: int = 0,
    max_seconds: float = 0.0,
) -> Result:
    """Runs an image on a machine of its own. Raises InputError, in one line, for what cannot be run."""
    effective = Config.of(config)
    if mode is not None:
        effective["machine.mode"] = mode
    machine = Machine(effective)
    machine.load(image, cmdline=cmdline, initrd=initrd, modules=modules)
    return machine.run(max_instructions=max_instructions, max_seconds=max_seconds)


def preset_names() -> dict[str, list[str]]:
    """The halves of presets that can be found: {"features": [...], "timing": [...]}."""
    features, timing = _core.preset_names()
    return {"features": features, "timing": timing}
