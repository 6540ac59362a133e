"""Trains LightGBM on the rows that the Rust benchmark wrote and prints a row of its table.

usage: lightgbm_train.py DIR FEATURES ROUNDS THREADS   (DIR: {train,test}.{f32,u8}, row-major)
"""
import resource
import sys
import time

import lightgbm
import numpy


def load(directory, name, features):
    values = numpy.fromfile(f"{directory}/{name}.f32", dtype="<f4").reshape(-1, features)
    return values, numpy.fromfile(f"{directory}/{name}.u8", dtype="u1")


def auc(scores, labels):
    order = numpy.argsort(scores, kind="stable")
    unique, inverse, counts = numpy.unique(scores[order], return_inverse=True, return_counts=True)
    middle = numpy.cumsum(counts) - (counts - 1) / 2
    ranks = middle[inverse]
    positives = labels[order] == 1
    n, m = positives.sum(), (~positives).sum()
    return (ranks[positives].sum() - n * (n + 1) / 2) / (n * m)


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main():
    directory = sys.argv[1]
    features, rounds, threads = (int(number) for number in sys.argv[2:5])
    train_x, train_y = load(directory, "train", features)
    test_x, test_y = load(directory, "test", features)
    for max_bin in (255, 1023):
        params = dict(objective="binary", num_leaves=63, learning_rate=0.1, max_bin=max_bin,
                      min_data_in_leaf=20, num_threads=threads, verbose=-1, force_col_wise=True)
        wall, cpu = time.perf_counter(), cpu_seconds()
        booster = lightgbm.train(params, lightgbm.Dataset(train_x, train_y), rounds)
        wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
        score = auc(booster.predict(test_x, raw_score=True), test_y)
        name = f"lightgbm {lightgbm.__version__}, {max_bin} bins"
        print(f"{name:<28} {wall:>9.2f} {cpu:>9.2f} {score:>9.5f}")


main()
