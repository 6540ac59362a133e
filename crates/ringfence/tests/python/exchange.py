"""The Python side of the model exchange test.

usage: exchange.py train SAMPLES MODEL PREDICTIONS     trains on the table of `ringfence samples`
       exchange.py predict SAMPLES MODEL PREDICTIONS   loads a text model
Both write raw scores of every row (little-endian doubles).
"""
import sys

import lightgbm
import numpy


def main():
    command, samples, model, predictions = sys.argv[1:]
    with open(samples) as file:
        names = file.readline().rstrip("\n").split(",")[3:]
    table = numpy.genfromtxt(samples, delimiter=",", skip_header=1)
    labels, values = table[:, 2], table[:, 3:]
    if command == "train":
        # Another order of columns than ours: features are found by name.
        order = list(reversed(range(len(names))))
        cut = int(len(labels) * 0.8)
        data = lightgbm.Dataset(values[:cut][:, order], labels[:cut],
                                feature_name=[names[at] for at in order])
        params = dict(objective="binary", num_leaves=15, verbose=-1, num_threads=1, seed=1)
        booster = lightgbm.train(params, data, 40)
        booster.save_model(model)
        values = values[:, order]
    else:
        booster = lightgbm.Booster(model_file=model)
        assert booster.feature_name() == names, booster.feature_name()
    booster.predict(values, raw_score=True, num_threads=1).astype("<f8").tofile(predictions)


main()
