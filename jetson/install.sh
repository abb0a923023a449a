#!/bin/sh
# Install MineHat from this bundle, without a network. Type:
#
#   sudo sh install.sh                what else can be asked for: sh install.sh --help
#
# This part finds the Python that the bundle was made for and looks whether the installer itself came over whole;
# all else is in berth/, which needs nothing beyond Python's own library.
set -eu

refuse() {
    echo "install.sh: $*" >&2
    exit 2
}

# Older Pythons read this too, so that they can say that they are too old.
# shellcheck disable=SC2016
start='
import hashlib, json, os, sys
here, arguments = sys.argv[1], sys.argv[2:]
def refuse(text):
    sys.stderr.write("install.sh: " + text + "\n")
    sys.exit(2)
try:
    with open(os.path.join(here, "MANIFEST.json"), "rb") as file:
        manifest = json.loads(file.read().decode("utf-8"))
    listed, wanted = manifest["files"], str(manifest["python"])
    own = sorted(path for path in listed if path.startswith("berth/") and path.endswith(".py"))
    for path in own:
        with open(os.path.join(here, *path.split("/")), "rb") as file:
            if hashlib.sha256(file.read()).hexdigest() != listed[path]["sha256"]:
                refuse(path + " is not as it was packed: the bundle was copied in part, or changed. Copy it again.")
except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
    refuse("the bundle in " + here + " is not whole (" + str(exc) + "). Copy it again.")
found = "%d.%d" % sys.version_info[:2]
if found != wanted:
    refuse("this bundle is for Python " + wanted + ", and here is Python " + found + " (" + sys.executable + "). "
           "Take the bundle that was made for this system.")
import importlib.util
folder = os.path.join(here, "berth")
spec = importlib.util.spec_from_file_location("berth", os.path.join(folder, "__init__.py"),
                                              submodule_search_locations=[folder])
if "berth/__init__.py" not in own or "berth/installing/command.py" not in own:
    refuse("the bundle in " + here + " holds no installer. Copy it again.")
sys.modules["berth"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["berth"])
from berth.installing.command import main
sys.exit(main(here, arguments))
'

main() {
    here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
    [ -f "$here/MANIFEST.json" ] || refuse "$here holds no MANIFEST.json. Unpack the whole bundle, then try again."
    wanted=$(sed -n 's/^ *"python": *"\([0-9][0-9.]*\)".*/\1/p' "$here/MANIFEST.json" | head -n 1)
    for python in "/usr/bin/python$wanted" "python$wanted" python3; do
        if command -v "$python" >/dev/null 2>&1; then
            exec "$python" -I -B -c "$start" "$here" "$@"
        fi
    done
    refuse "no Python 3 is here, and Python ${wanted:-3} is wanted. Install it: apt-get install python3"
}

main "$@"
