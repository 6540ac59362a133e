"""The hybrid network in PyTorch and PyTorch Geometric, in doubles: framework_peer.py CASE.

CASE is JSON: the weights by name (inputs by rows), knots, samples as lists, and for each sample the derivative of the
loss by its log-odds. Prints JSON: log-odds, and the gradient of every tensor by automatic differentiation. Layers are
the frameworks' own (SAGEConv, LSTM) where they have one. No NumPy: Debian's PyTorch is older than today's.
"""

import json
import sys

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch_geometric.nn import SAGEConv

torch.set_default_dtype(torch.float64)
with open(sys.argv[1]) as file:
    case = json.load(file)
w = {
    name: torch.tensor(held["values"]).reshape(held["dims"]).requires_grad_()
    for name, held in case["weights"].items()
}
rows = len(case["samples"])
hidden = len(w["output"])
roles = len(w["message"])
samples = case["samples"]


def set_to(parameter, value):
    """Makes a framework's parameter a view of one of ours, so that gradients flow on."""
    module, name = parameter
    del module._parameters[name]
    setattr(module, name, value)


def knots():
    """Share of each knot in each row, and which values are missing."""
    total = len(w["skip"])
    shares = torch.zeros(rows, total)
    missing = torch.zeros(rows, len(w["missing"]))
    for row, sample in enumerate(samples):
        for feature, value in enumerate(sample["tabular"]):
            start, end = case["knot_start"][feature : feature + 2]
            held = case["knots"][start:end]
            if start == end:
                continue
            if value is None:
                missing[row, feature] = 1
                continue
            above = next((at for at, knot in enumerate(held) if knot > value), None)
            if above is None:
                shares[row, end - 1] = 1
            elif above == 0:
                shares[row, start] = 1
            else:
                share = (value - held[above - 1]) / (held[above] - held[above - 1])
                shares[row, start + above] = share
                shares[row, start + above - 1] = 1 - share
    return shares, missing


def graph(tabular):
    """Messages are projected, then SAGEConv from neighbours to entities and from entities to events."""
    events = torch.arange(rows)
    event = 0
    for role in range(roles):
        lists = [sample["neighbourhood"][role] for sample in samples]
        entity_of = torch.tensor([row for row, held in enumerate(lists) for _ in held], dtype=torch.long)
        values = torch.tensor([one for held in lists for one in held]).reshape(-1, w["message"].shape[1])
        messages = torch.relu(values @ w["message"][role] + w["message_bias"][role])
        own = torch.tensor([sample["entities"][role] for sample in samples])

        conv = SAGEConv((hidden, own.shape[1]), hidden, aggr=["mean", "max"])
        both = torch.cat([w["entity_mean"][role], w["entity_max"][role]])
        set_to((conv.lin_l, "weight"), both.T)
        set_to((conv.lin_l, "bias"), w["entity_bias"][role])
        set_to((conv.lin_r, "weight"), w["entity_own"][role].T)
        edges = torch.stack([torch.arange(len(entity_of)), entity_of])
        entity = torch.relu(conv((messages, own), edges))

        first = role == 0
        conv = SAGEConv((hidden, hidden), hidden, aggr="sum", root_weight=first, bias=first)
        set_to((conv.lin_l, "weight"), w["event_entity"][role].T)
        if first:
            set_to((conv.lin_l, "bias"), w["event_bias"])
            set_to((conv.lin_r, "weight"), w["event_own"].T)
        event = event + conv((entity, tabular), torch.stack([events, events]))
    return torch.relu(event)


def past(tabular):
    steps = torch.tensor([len(sample["sequence"]) for sample in samples])
    width, types = w["step"].shape[0], w["step_event_type"].shape[0]
    longest = int(steps.max())
    inputs = torch.zeros(rows, longest, width + types)
    for row, sample in enumerate(samples):
        for at, step in enumerate(sample["sequence"]):
            kind = min(int(step[5]), types - 1)
            inputs[row, at, :width] = torch.tensor(step)
            # The event type is no quantity: it has a row of its own.
            inputs[row, at, 5] = 0
            inputs[row, at, width + kind] = 1
    flat = [torch.cat([w["step"], w["step_event_type"]]).T, w["recurrent"].T, w["recurrent_bias"], 0 * w["recurrent_bias"]]
    some = (steps > 0).nonzero().flatten()
    packed = pack_padded_sequence(inputs[some], steps[some], batch_first=True, enforce_sorted=False)
    zeros = torch.zeros(1, len(some), hidden)
    # The operator beneath torch.nn.LSTM, which takes weights that are no leaves.
    states, last, _ = torch._VF.lstm(
        packed.data, packed.batch_sizes, (zeros, zeros), flat, True, 1, 0.0, False, False
    )
    packed = torch.nn.utils.rnn.PackedSequence(states, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
    states, _ = pad_packed_sequence(packed, batch_first=True, total_length=longest)
    last = last[0].index_select(0, packed.unsorted_indices)
    scores = torch.einsum("rth,rh->rt", states, tabular[some] @ w["query"]) / hidden**0.5
    masked = torch.arange(longest)[None, :] >= steps[some][:, None]
    shares = torch.softmax(scores.masked_fill(masked, -torch.inf), dim=1)
    pool = torch.einsum("rt,rth->rh", shares, states)
    both = torch.zeros(rows, 2 * hidden).index_copy(0, some, torch.cat([last, pool], dim=1))
    return torch.relu(both @ w["past"] + w["past_bias"])


shares, missing = knots()
wide = torch.relu(shares @ w["spline"] + missing @ w["missing"] + w["wide_bias"])
tabular = torch.relu(wide @ w["tabular"] + w["tabular_bias"])
branches = torch.cat([tabular, graph(tabular), past(tabular)], dim=1)
gated = torch.sigmoid(branches @ w["gate"] + w["gate_bias"]) * branches
fused = torch.relu(gated @ w["fusion"] + w["fusion_bias"])
skip = shares @ w["skip"] + missing @ w["skip_missing"]
raw = fused @ w["output"] + w["output_bias"][0] + skip
(raw * torch.tensor(case["draw"])).sum().backward()

json.dump(
    {
        "log_odds": raw.tolist(),
        "gradient": {
            name: (torch.zeros_like(it) if it.grad is None else it.grad).flatten().tolist() for name, it in w.items()
        },
    },
    sys.stdout,
)
