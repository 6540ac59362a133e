#!/usr/bin/env python3
"""Scores events with an exported model, outside Ringfence.

    ringfence models export --onnx fraud.onnx
    ringfence --json inspect sample EVENT_ID --full > event.json
    python score_onnx.py fraud.onnx event.json [more.json ...]

Needs numpy and onnxruntime. Prints one JSON line per file; the probability is the one that Ringfence logged
when it decided the event with the same model.
"""

import json
import sys

import numpy
import onnxruntime


def as_inputs(sample, shapes):
    """The arrays of one event, filled up to the model's shapes: zeros behind what is there, NaN for missing."""
    arrays = {name: numpy.zeros(shape, numpy.float32) for name, shape in shapes.items()}
    values = [numpy.nan if value is None else value for value in sample["tabular"].values()]
    arrays["tabular"][:] = values
    if "sequence" not in shapes:
        return arrays
    steps = [list(step.values()) for step in sample["sequence"]]
    arrays["steps"] = numpy.int64(len(steps))
    if steps:
        arrays["sequence"][: len(steps)] = steps
    arrays["neighbours"] = numpy.zeros(shapes["neighbours"], numpy.int64)
    for role, entity in enumerate(sample["entities"].values()):
        arrays["entities"][role] = list(entity.values())
    for role, neighbours in enumerate(sample["neighbourhood"].values()):
        arrays["neighbours"][role] = len(neighbours)
        for slot, neighbour in enumerate(neighbours):
            arrays["neighbourhood"][role, slot] = list(neighbour.values())
    return arrays


def main(model, *files):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    # The first dimension is the batch.
    shapes = {wanted.name: wanted.shape[1:] for wanted in session.get_inputs()}
    samples = []
    for file in files:
        with open(file) as text:
            samples.append(as_inputs(json.load(text), shapes))
    batch = {name: numpy.stack([sample[name] for sample in samples]) for name in shapes}
    log_odds, probability = session.run(["log_odds", "probability"], batch)
    for row, file in enumerate(files):
        print(json.dumps({
            "file": file,
            "log_odds": float(log_odds[row]),
            "probability": float(probability[row]),
        }))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
