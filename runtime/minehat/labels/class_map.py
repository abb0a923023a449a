"""What the names in label files mean here: `--map hat=helmet --map dog=- --map heads:person=head`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import MineHatError

DROP = "-"


@dataclass(frozen=True)
class ClassMap:
    """Names, or SET:NAME for those of one set alone, and the class that each stands for; DROP for none."""

    classes: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, folder: str, name: str) -> str | None:
        """The class of a name in the set whose folder is called `folder`; None where it is left out."""
        found = self.classes.get(f"{folder}:{name}", self.classes.get(name, name))
        return None if found == DROP else found

    def check(self, classes: Sequence[str]) -> None:
        """Raises MineHatError where a name stands for something that is none of the classes."""
        for name, stands_for in self.classes.items():
            if stands_for != DROP and stands_for not in classes:
                raise MineHatError(f"--map {name}={stands_for}: {stands_for} is none of {', '.join(classes)}.")

    def check_sets(self, folders: Sequence[str]) -> None:
        """Raises MineHatError where a name has a meaning of its own in a set that is none of the folders: the meaning
        that it has elsewhere would take effect unseen."""
        for text, stands_for in self.classes.items():
            folder, _, name = text.partition(":")
            if name in self.classes and folder not in folders:
                raise MineHatError(f"--map {text}={stands_for}: no set's folder is called {folder}; there is "
                                   f"{', '.join(dict.fromkeys(folders))}.")


AS_NAMED = ClassMap()


def class_map(texts: Sequence[str]) -> ClassMap:
    """The map that NAME=CLASS, NAME=- and SET:NAME=CLASS tell; SET is the name of a set's folder.

    Raises MineHatError for a text of another form, and where two say different things of one name.
    """
    classes: dict[str, str] = {}
    for text in texts:
        name, found, stands_for = (part.strip() for part in text.rpartition("="))
        if not (found and name and stands_for):
            raise MineHatError(f"--map {text}: write NAME=CLASS, NAME=- to leave it out, or SET:NAME=CLASS for the set "
                               "whose folder is called SET.")
        if classes.setdefault(name, stands_for) != stands_for:
            raise MineHatError(f"--map gives {name} twice, as {classes[name]} and as {stands_for}.")
    return ClassMap(classes)
