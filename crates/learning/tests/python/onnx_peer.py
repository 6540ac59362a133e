"""Scores samples with ONNX Runtime: onnx_peer.py MODEL FOLDER BATCH.

FOLDER holds one raw file per input, named like it, and ROWS in rows.txt; outputs are written beside them as f32.
"""

import sys
from pathlib import Path

import numpy
import onnxruntime


def main(model, folder, batch):
    folder = Path(folder)
    rows = int((folder / "rows.txt").read_text())
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    inputs = {}
    for wanted in session.get_inputs():
        kind = numpy.int64 if wanted.type == "tensor(int64)" else numpy.float32
        values = numpy.fromfile(folder / wanted.name, dtype=kind)
        inputs[wanted.name] = values.reshape([rows] + wanted.shape[1:])
    names = [output.name for output in session.get_outputs()]
    found = {name: [] for name in names}
    for start in range(0, rows, batch):
        part = {name: values[start : start + batch] for name, values in inputs.items()}
        for name, values in zip(names, session.run(names, part)):
            assert values.shape == (len(part["tabular"]),), (name, values.shape)
            found[name].append(values)
    for name, parts in found.items():
        numpy.concatenate(parts).astype(numpy.float32).tofile(folder / ("out_" + name))


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
