"""The device that a network works on."""

from __future__ import annotations

import torch
from minehat.errors import MineHatError


def usable(device: str | None = None) -> str:
    """cpu, cuda or cuda:N as asked for, or else the GPU where there is one. Raises MineHatError if it is of no use."""
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, ValueError) as exc:
        raise MineHatError(f"--device {device} cannot be used here: {str(exc).splitlines()[0]}") from exc
    return device
