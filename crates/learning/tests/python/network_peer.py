"""The hybrid network in NumPy and doubles, written from docs/model.md: network_peer.py MODEL FOLDER.

Reads the tensors from the model file itself (safetensors); FOLDER holds one raw file per input, as for onnx_peer.py.
Writes the network's output, before blend and calibration.
"""

import json
import sys
from pathlib import Path

import numpy

TYPES = {"F64": "<f8", "F32": "<f4", "U32": "<u4", "I32": "<i4", "U8": "u1"}


def tensors(file):
    data = Path(file).read_bytes()
    length = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + length])
    table.pop("__metadata__")
    found = {}
    for name, entry in table.items():
        start, end = (8 + length + at for at in entry["data_offsets"])
        values = numpy.frombuffer(data[start:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
        found[name.removeprefix("network.")] = values.astype(float) if entry["dtype"][0] == "F" else values
    return found


def relu(x):
    return numpy.maximum(x, 0)


def logistic(x):
    return 1 / (1 + numpy.exp(-numpy.clip(x, -700, 700)))


class Network:
    def __init__(self, held):
        self.__dict__.update(held)

    def features(self, row):
        wide, skip = self.wide_bias.copy(), 0.0
        for feature, value in enumerate(row):
            start, end = self.knot_start[feature : feature + 2]
            if start == end:
                continue
            if numpy.isnan(value):
                wide += self.missing[feature]
                skip += self.skip_missing[feature]
                continue
            knots = self.knots[start:end]
            wide += [numpy.interp(value, knots, column) for column in self.spline[start:end].T]
            skip += numpy.interp(value, knots, self.skip[start:end])
        return relu(wide), skip

    def graph(self, tabular, entities, neighbourhood, neighbours):
        event = tabular @ self.event_own + self.event_bias
        for role, count in enumerate(neighbours):
            messages = relu(neighbourhood[role, :count] @ self.message[role] + self.message_bias[role])
            mean, largest = (messages.mean(0), messages.max(0)) if count else (0 * event, 0 * event)
            entity = relu(
                mean @ self.entity_mean[role]
                + largest @ self.entity_max[role]
                + entities[role] @ self.entity_own[role]
                + self.entity_bias[role]
            )
            event = event + entity @ self.event_entity[role]
        return relu(event)

    def past(self, tabular, sequence):
        width = len(self.query)
        state, cell, states = numpy.zeros(width), numpy.zeros(width), []
        for step in sequence:
            kind = min(int(step[5]), len(self.step_event_type) - 1)
            gates = step @ self.step + self.step_event_type[kind] + state @ self.recurrent + self.recurrent_bias
            i, f, g, o = gates.reshape(4, width)
            cell = logistic(f) * cell + logistic(i) * numpy.tanh(g)
            state = logistic(o) * numpy.tanh(cell)
            states.append(state)
        pool = numpy.zeros(width)
        if states:
            states = numpy.array(states)
            scores = states @ (tabular @ self.query) / numpy.sqrt(width)
            weights = numpy.exp(scores - scores.max())
            pool = weights @ states / weights.sum()
        return relu(numpy.concatenate([state, pool]) @ self.past_matrix + self.past_bias)

    def output_of(self, tabular, sequence, entities, neighbourhood, neighbours):
        wide, skip = self.features(tabular)
        tabular = relu(wide @ self.tabular + self.tabular_bias)
        graph = self.graph(tabular, entities, neighbourhood, neighbours)
        branches = numpy.concatenate([tabular, graph, self.past(tabular, sequence)])
        gated = logistic(branches @ self.gate + self.gate_bias) * branches
        fused = relu(gated @ self.fusion + self.fusion_bias)
        return fused @ self.output + self.output_bias[0] + skip


def main(model, folder):
    held = tensors(model)
    held["past_matrix"] = held.pop("past")
    network = Network(held)
    roles = len(held["message"])
    features = len(held["knot_start"]) - 1
    floats = lambda name, *dims: numpy.fromfile(Path(folder) / name, "<f4").reshape(-1, *dims).astype(float)
    ints = lambda name, *dims: numpy.fromfile(Path(folder) / name, "<i8").reshape(-1, *dims)
    rows = zip(
        floats("tabular", features),
        floats("sequence", 64, 14),
        ints("steps"),
        floats("entities", roles, 8),
        floats("neighbourhood", roles, 16, 16),
        ints("neighbours", roles),
    )
    found = [
        network.output_of(tabular, sequence[:steps], entities, neighbourhood, neighbours)
        for tabular, sequence, steps, entities, neighbourhood, neighbours in rows
    ]
    numpy.array(found, "<f4").tofile(Path(folder) / "out_network")


main(*sys.argv[1:])
