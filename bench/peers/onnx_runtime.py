"""Time of one score by ONNX Runtime on one core: onnx_runtime.py MODEL FOLDER ROWS ROUNDS.

FOLDER holds one raw file per input, named like it. Prints a line for single rows and one for batches of 32.
"""

import sys
import time
from pathlib import Path

import numpy
import onnxruntime


def main(model, folder, rows, rounds):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    inputs = {}
    for wanted in session.get_inputs():
        kind = numpy.int64 if wanted.type == "tensor(int64)" else numpy.float32
        values = numpy.fromfile(Path(folder) / wanted.name, dtype=kind)
        inputs[wanted.name] = values.reshape([rows] + wanted.shape[1:])
    for batch in (1, 32):
        parts = [
            {name: values[start : start + batch] for name, values in inputs.items()}
            for start in range(0, rows, batch)
        ]
        each = []
        for _ in range(rounds):
            begin = time.perf_counter()
            for part in parts:
                session.run(["log_odds"], part)
            each.append((time.perf_counter() - begin) * 1e6 / rows)
        each.sort()
        name = f"onnxruntime {onnxruntime.__version__}"
        print(f"{name:<24} {batch:<6} {each[len(each) // 2]:>10.2f} {each[0]:>10.2f}")


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
