"""python killed_installer.py BUNDLE POINT [ARGUMENT...]

The bundle's installer, killed with -9 just before the POINT-th thing that it changes on the disk or starts. A POINT of
0 kills nothing, and prints what there was to kill before, one a line, on stderr.
"""

import importlib.util
import os
import signal
import sys
from pathlib import Path

CHANGES = frozenset({"os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "os.chown",
                     "subprocess.Popen"})
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def main(bundle, point, *arguments):
    """Like install.sh, from where it has found its Python."""
    berth = Path(bundle) / "berth"
    spec = importlib.util.spec_from_file_location("berth", berth / "__init__.py",
                                                  submodule_search_locations=[str(berth)])
    sys.modules["berth"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["berth"])
    from berth.installing.command import main as installer

    sys.addaudithook(_Killer(int(point)))
    return installer(bundle, arguments)


class _Killer:
    def __init__(self, point):
        self.point, self.passed = point, 0

    def __call__(self, event, details):
        if event in CHANGES or (event == "open" and isinstance(details[2], int) and details[2] & WRITES):
            self.passed += 1
            if self.point == 0:
                sys.stderr.write(f"{event} {details[0]}\n")
            elif self.passed == self.point:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main(*sys.argv[1:]))
