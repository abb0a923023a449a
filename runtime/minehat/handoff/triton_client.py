"""python client.py picture.jpg more.jpg --url localhost:8001

Ask a Triton server what is in pictures: a line of JSON for each, boxes in pixels of the picture. What the network
wants of a picture is in its card, and the card is asked of the server. Needs
`pip install 'tritonclient[grpc]' 'minehat[cpu]'`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from minehat.answers import check_answer, found_in
from minehat.arguments import parser_of
from minehat.card import ModelCard, card_from_json
from minehat.detections import Detections
from minehat.detector import in_frame
from minehat.doors import DONE, run_door
from minehat.errors import MineHatError, missing
from minehat.letterbox import as_input, letterbox
from minehat.pictures import read_picture

Array = npt.NDArray[Any]
CARD = "minehat.card"


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    return run_door(_run, argv)


def _run(argv: Sequence[str]) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("pictures", nargs="+", metavar="PICTURE")
    parser.add_argument("--url", default="localhost:8001", help="the server's gRPC address (default localhost:8001)")
    parser.add_argument("--model", default=Path(__file__).resolve().parent.name,
                        help="its name on the server (default: of the folder that this file is in)")
    args = parser.parse_args(argv)
    with Served(args.url, args.model) as served:
        for path in args.pictures:
            print(json.dumps(_entry(path, served(read_picture(path)), served.card)))
    return DONE


class Served:
    """A model on a Triton server. A context manager; belongs to one thread at a time."""

    def __init__(self, url: str, model: str) -> None:
        self._grpc, self._model = _load_tritonclient(), model
        self._server = self._grpc.InferenceServerClient(url)
        self._config = self._asked(self._server.get_model_config, model).config
        if CARD not in self._config.parameters:
            raise MineHatError(f"{model} on {url} has no parameter {CARD}. Hand it off anew: `minehat handoff triton`.")
        self.card = card_from_json(self._config.parameters[CARD].string_value, f"{model} on {url}")

    def __call__(self, frame: Array) -> Detections:
        """uint8 [h, w, 3] BGR -> what is seen in it, in pixels of the frame, clipped to it."""
        square, placement = letterbox(frame, self.card.height, self.card.width, self.card.pad)
        batch = as_input(square, self.card)[None]
        if not self._config.max_batch_size:  # it takes a fixed number of pictures; the others are copies
            batch = np.repeat(batch, self._config.input[0].dims[0], axis=0)
        given = self._grpc.InferInput(self._config.input[0].name, batch.shape, "FP32")
        given.set_data_from_numpy(batch)
        answer = self._asked(self._server.infer, self._model, [given])
        columns = [answer.as_numpy(name) for name in self.card.outputs]
        columns[3:] = [column.ravel() for column in columns[3:]]  # Triton knows no tensor of a batch and nothing else
        check_answer(columns, self.card, Path(self._model))
        found = found_in([column[0] for column in columns], self.card, self.card.conf, self.card.iou)
        return in_frame(found, placement)

    def _asked(self, question: Any, *arguments: Any) -> Any:
        try:
            return question(*arguments)
        except self._grpc.InferenceServerException as exc:
            raise MineHatError(f"The server does not serve {self._model}: {exc.message()} Is it up, and is --url "
                               "its gRPC address?") from exc

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.close()


def _entry(path: str, found: Detections, card: ModelCard) -> dict[str, Any]:
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
    return {"source": path, "detections": [{"box": [round(side, 2) for side in box], "score": round(score, 4),
                                            "label": card.classes[label]} for box, score, label in rows]}


def _load_tritonclient() -> Any:
    try:
        import tritonclient.grpc
    except (ModuleNotFoundError, RuntimeError) as exc:  # RuntimeError: tritonclient is here, gRPC is not
        raise missing("tritonclient with gRPC", "ask the server", "`pip install 'tritonclient[grpc]'`.") from exc
    return tritonclient.grpc


if __name__ == "__main__":
    sys.exit(main())
