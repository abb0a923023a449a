"""Stand-ins of nvpmodel and jetson_clocks, which say and ask what owners of boards published that the real ones do."""

from __future__ import annotations

from pathlib import Path

NVPMODEL = """#!/bin/sh
cd "$POWER_STAND_IN" || exit 9
echo "nvpmodel $*" >> calls
name() { sed -n "s/^< POWER_MODEL ID=$1 NAME=\\\\(.*\\\\) >/\\\\1/p" conf; }
case "$1" in
-q) [ -e broken ] && { cat broken; exit 1; }
    echo "NV Power Mode: $(name "$(cat mode)")"; cat mode;;
-m) [ -e hang ] && exec sleep 60
    echo "NVPM WARN: Golden image context is already created" >&2
    if grep -qx "$2" restart; then
        echo "NVPM WARN: Reboot required for changing to this power mode: $2"
        echo "NVPM WARN: DO YOU WANT TO REBOOT NOW? enter YES/yes to confirm:"
        read answer; echo "answered $answer" >> calls
        [ "$answer" = yes ] && echo rebooted >> calls
        echo "NVPM ERROR: optMask is 1, no request for power mode"; exit 1
    fi
    [ -e closed ] || echo "$2" > mode;;
esac
"""
JETSON_CLOCKS = """#!/bin/sh
cd "$POWER_STAND_IN" || exit 9
echo "jetson_clocks $*" >> calls
case "$1" in
--store) [ -e "$2" ] && { echo "File $2 already exists. Can I overwrite it? Y/N:"; read answer; exit 1; }
         cat clocks > "$2";;
--restore) cat "$2" > clocks;;
"") [ -e weak ] && { echo "Error: Failed to set"; exit 1; }
    echo "highest of $(cat mode)" > clocks;;
esac
"""


class StandIn:
    """A board whose commands are ours. `root`: a tree of tests/jetson_trees.py."""

    def __init__(self, folder: Path, root: Path, monkeypatch) -> None:
        self.folder, self.root = folder / "stand-in", root
        (self.folder / "bin").mkdir(parents=True)
        for name, program in (("nvpmodel", NVPMODEL), ("jetson_clocks", JETSON_CLOCKS)):
            (self.folder / "bin" / name).write_text(program)
            (self.folder / "bin" / name).chmod(0o755)
        pmode = int((root / "var/lib/nvpmodel/status").read_text().split()[0].removeprefix("pmode:"))
        self.set("mode", f"{pmode}\n")
        self.set("conf", (root / "etc/nvpmodel.conf").read_text())
        self.set("clocks", "as the governor likes\n")
        self.set("restart", "")
        self.set("calls", "")
        monkeypatch.setenv("POWER_STAND_IN", str(self.folder))
        monkeypatch.setenv("PATH", f"{self.folder / 'bin'}:/usr/bin:/bin")

    def set(self, name: str, text: str = "") -> None:
        (self.folder / name).write_text(text)

    def get(self, name: str) -> str:
        return (self.folder / name).read_text().strip()

    @property
    def calls(self) -> list[str]:
        """What was run, less questions."""
        return [line for line in self.get("calls").splitlines() if line != "nvpmodel -q"]
